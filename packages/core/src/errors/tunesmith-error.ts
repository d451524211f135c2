/** Stable codes: scripts and the CLI's exit codes depend on them, so a code is never renamed. */
export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'DATA_INVALID'
  | 'FILE_INVALID'
  | 'FILE_MISSING'
  | 'SHAPE_MISMATCH'
  | 'NAME_UNKNOWN'
  | 'METHOD_CONFLICT'
  | 'API_VERSION'
  | 'CAPABILITY_MISSING'
  | 'OP_UNSUPPORTED'
  | 'BACKEND_UNAVAILABLE'
  | 'DIVERGED'
  | 'GATE_FAILED'
  | 'RUN_LOCKED'
  | 'ABORTED'
  | 'NETWORK'
  | 'INTERNAL';

export interface ErrorDetails {
  /** Where it happened: a file and row, a site's path, a config key. */
  where?: string;
  expected?: string;
  got?: string;
  /** How to mend it. */
  hint?: string;
  cause?: unknown;
}

const marker = Symbol.for('tunesmith.error');

/**
 * The one error that Tunesmith throws on purpose: what happened, where, what was expected and got, and how to mend it.
 * The marker symbol lets `isInstance` hold across two installed copies of this package.
 */
export class TunesmithError extends Error {
  readonly [marker] = true;
  override readonly name = 'TunesmithError';
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly expected: string | undefined;
  readonly got: string | undefined;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    super(compose(code, what, details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.where = details.where;
    this.expected = details.expected;
    this.got = details.got;
    this.hint = details.hint;
  }

  static isInstance(value: unknown): value is TunesmithError {
    return typeof value === 'object' && value !== null && marker in value;
  }
}

function compose(code: ErrorCode, what: string, { where, expected, got, hint }: ErrorDetails): string {
  let text = where === undefined ? `${code}: ${what}` : `${code} at ${where}: ${what}`;
  if (expected !== undefined) text += `; expected ${expected}`;
  if (got !== undefined) text += expected === undefined ? `; got ${got}` : `, got ${got}`;
  if (!/[.!?]$/.test(text)) text += '.';
  return hint === undefined ? text : `${text} ${hint}`;
}
