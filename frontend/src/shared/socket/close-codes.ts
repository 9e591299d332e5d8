/** Why the gateway closes a socket; see docs/architecture/events.md. */
export const CloseCode = {
  DRAINING: 1012,
  NO_FOUNDER: 4401,
  RESYNC: 4409,
  TOO_MANY_SOCKETS: 4429,
} as const;
