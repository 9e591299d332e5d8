/** Tells a screen reader what happens in the talk; shows nothing. */
import { useEffect } from "react";

import { announce } from "@/shared/ui/announcer";

import { createAnnouncing } from "../model/announcement";
import { useChat } from "../model/chat";

export function ReplyAnnouncer(): null {
  const { store } = useChat();
  useEffect(() => {
    const announcing = createAnnouncing();
    const listen = () => announce(announcing(store.get()).join(" "));
    listen();
    return store.subscribe(listen);
  }, [store]);
  return null;
}
