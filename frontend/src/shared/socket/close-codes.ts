/** Why the gateway closes a socket; see docs/architecture/events.md. */
export const CloseCode = {
  /** The network's own word for a frame that is too large. */
  TOO_BIG: 1009,
  DRAINING: 1012,
  MALFORMED_FRAME: 4400,
  NO_FOUNDER: 4401,
  ORIGIN: 4403,
  RESYNC: 4409,
  FRAME_TOO_LARGE: 4413,
  TOO_MANY_SOCKETS: 4429,
} as const;
