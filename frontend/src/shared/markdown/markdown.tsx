/** Markdown as React nodes; at no point is there a string of HTML. */
import { memo, useState } from "react";
import remend from "remend";

import { BlockToken } from "./block-token";
import { type Block, createIncrementalLexer, lexBlocks } from "./lexer";
import styles from "./markdown.module.css";

interface MarkdownProps {
  text: string;
  /** Whether its end is still to come, or never came: open marks are closed. */
  isOpen: boolean;
}

export const Markdown = memo(function Markdown({ text, isOpen }: MarkdownProps) {
  const blocks = useBlocks(text);
  const lastIndex = blocks.findLastIndex((block) => block.token.type !== "space");
  return (
    <div className={styles["markdown"]}>
      {blocks.map((block, index) =>
        block.token.type === "space" ? null : (
          <BlockView
            key={block.key}
            block={block}
            isOpen={isOpen && index === lastIndex}
          />
        ),
      )}
    </div>
  );
});

interface BlockViewProps {
  block: Block;
  isOpen: boolean;
}

/** Renders again only when the block's text changed. */
const BlockView = memo(function BlockView({ block, isOpen }: BlockViewProps) {
  return openBlocks(block, isOpen).map((shown, index) => (
    // The position is a block's identity: text only grows at its end.
    <BlockToken key={String(index)} token={shown.token} isOutermost />
  ));
});

function openBlocks(block: Block, isOpen: boolean): Block[] {
  if (!isOpen || block.token.type === "code") return [block];
  const closed = remend(block.raw, { linkMode: "text-only", images: false });
  return closed === block.raw ? [block] : lexBlocks(closed);
}

/** Keeps the blocks of the text before, which is the beginning of this one. */
function useBlocks(text: string): readonly Block[] {
  const [incremental] = useState(createIncrementalLexer);
  return incremental(text);
}
