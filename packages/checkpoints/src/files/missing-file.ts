import { TunesmithError } from '@tunesmith/core';

/** Whether a file system call failed because nothing is there. */
export function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Awaits a file system call and says FILE_MISSING, with the path, when nothing is there. */
export function orMissing<T>(call: Promise<T>, what: string, path: string, hint?: string): Promise<T> {
  return call.catch((cause: unknown) => {
    throw isMissing(cause) ? missing(what, path, hint, cause) : cause;
  });
}

function missing(what: string, where: string, hint: string | undefined, cause: unknown): TunesmithError {
  return new TunesmithError('FILE_MISSING', what, { where, cause, ...(hint === undefined ? {} : { hint }) });
}
