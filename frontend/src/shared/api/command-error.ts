/** The gateway refused something, or could not be reached. */
export class CommandError extends Error {
  readonly code: string;
  readonly isRetryable: boolean;
  readonly retryAfterMs: number | null;
  readonly status: number | null;

  constructor(refusal: {
    code: string;
    detail: string;
    retryable: boolean;
    retryAfterMs?: number | null;
    status?: number;
  }) {
    super(refusal.detail);
    this.name = "CommandError";
    this.code = refusal.code;
    this.isRetryable = refusal.retryable;
    this.retryAfterMs = refusal.retryAfterMs ?? null;
    this.status = refusal.status ?? null;
  }

  /** Nobody answered: whether the command arrived is not known. */
  static unreachable(detail: string): CommandError {
    return new CommandError({ code: UNREACHABLE, detail, retryable: true });
  }

  get isUnreachable(): boolean {
    return this.code === UNREACHABLE;
  }
}

const UNREACHABLE = "unreachable";
