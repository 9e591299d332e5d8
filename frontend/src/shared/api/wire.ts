/** Short names for the generated wire types; nothing is declared here. */
import type { components } from "./schema.gen";

type Schemas = components["schemas"];

export type ServerFrame = Schemas["ServerFrame"];
export type ClientFrame = Schemas["ClientFrame"];
export type StreamEvent = Schemas["Event"];
export type AckFrame = Schemas["AckFrame"];
export type SnapshotFrame = Extract<ServerFrame, { type: "snapshot" }>;
export type SessionSnapshot = Schemas["SessionSnapshot"];
export type StreamCursor = Schemas["StreamCursor"];

export type Command = Extract<ClientFrame, { request_id: string }>;

export type FounderLink = Schemas["FounderLink"];
export type FounderView = Schemas["FounderView"];
export type SessionView = Schemas["SessionView"];
export type SessionPage = Schemas["SessionPage"];
export type SearchHit = Schemas["SearchHit"];
export type SearchPage = Schemas["SearchPage"];
export type Branched = Schemas["Branched"];
export type MessageView = Schemas["MessageView"];
export type MessagePage = Schemas["MessagePage"];
export type MessageStatus = Schemas["MessageStatus"];
export type RunView = Schemas["RunView"];
export type RunError = Schemas["RunError"];
export type StepView = Schemas["StepView"];
export type Suggestion = Schemas["Suggestion"];
export type FeedbackValue = Schemas["FeedbackValue"];

/** What a command led to, however it travelled. */
export type CommandResult = Partial<
  Pick<AckFrame, "session_id" | "message_id" | "run_id" | "position" | "seq">
>;
