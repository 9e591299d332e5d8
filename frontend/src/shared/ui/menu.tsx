/** A small menu in the top layer: arrows move, Escape and a click outside close. */
import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";

import { Icon, type IconName } from "./icon";
import { IconButton } from "./icon-button";
import styles from "./menu.module.css";

export interface MenuItem {
  label: string;
  icon: IconName;
  isDangerous?: boolean;
  /** A link instead of an action. */
  download?: string;
  onSelect?: () => void;
}

interface MenuProps {
  label: string;
  icon: IconName;
  items: readonly MenuItem[];
}

const GAP = 4;

export function Menu({ label, icon, items }: MenuProps): ReactNode {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);

  const place = (isOpen: boolean) => {
    if (!isOpen || !menu.current || !button.current) return;
    const anchor = button.current.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = menu.current;
    const isBelow = anchor.bottom + GAP + height < innerHeight;
    const top = isBelow ? anchor.bottom + GAP : anchor.top - height - GAP;
    menu.current.style.top = `${Math.max(GAP, top)}px`;
    menu.current.style.left = `${Math.max(GAP, anchor.right - width)}px`;
    itemsOf(menu.current)[0]?.focus();
  };
  const select = (item: MenuItem) => {
    menu.current?.hidePopover();
    item.onSelect?.();
  };
  return (
    <>
      <IconButton
        ref={button}
        icon={icon}
        label={label}
        aria-haspopup="menu"
        popoverTarget={id}
      />
      <div
        ref={menu}
        id={id}
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-label={label}
        className={styles["menu"]}
        onToggle={(event) => place(event.newState === "open")}
        onKeyDown={moveFocus}
      >
        {items.map((item) => (
          <Entry key={item.label} item={item} onSelect={() => select(item)} />
        ))}
      </div>
    </>
  );
}

function Entry({ item, onSelect }: { item: MenuItem; onSelect: () => void }): ReactNode {
  const look = {
    role: "menuitem",
    tabIndex: -1,
    className: item.isDangerous ? styles["dangerous"] : styles["item"],
    onClick: onSelect,
  };
  const content = (
    <>
      <Icon name={item.icon} size={16} />
      {item.label}
    </>
  );
  if (item.download === undefined) {
    return (
      <button type="button" {...look}>
        {content}
      </button>
    );
  }
  return (
    <a {...look} href={item.download} download>
      {content}
    </a>
  );
}

function itemsOf(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>("[role=menuitem]")];
}

function moveFocus(event: KeyboardEvent<HTMLDivElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Tab") event.currentTarget.hidePopover();
  if (step === undefined) return;
  event.preventDefault();
  const items = itemsOf(event.currentTarget);
  const index = items.indexOf(document.activeElement as HTMLElement);
  items[(index + step + items.length) % items.length]?.focus();
}
