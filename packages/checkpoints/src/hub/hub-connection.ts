import { setTimeout as delay } from 'node:timers/promises';
import { TunesmithError } from '@tunesmith/core';
import { addressOf, type Repository } from './repository.js';

export interface HubConnection {
  /** Where the Hub is, without a slash at the end. */
  readonly endpoint: string;
  /** `fetch` with the token, sent to the endpoint's origin and nowhere else, and the caller's signal. */
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal | undefined;
}

export function connectHub(endpoint: string, token?: string, signal?: AbortSignal): HubConnection {
  const { origin } = new URL(endpoint);
  const send: typeof fetch = (input, init) => {
    const headers = new Headers(init?.headers);
    const url = input instanceof Request ? input.url : input;
    if (token !== undefined && new URL(url).origin === origin) headers.set('Authorization', `Bearer ${token}`);
    return fetch(input, { ...init, headers, ...(signal === undefined ? {} : { signal }) });
  };
  return { endpoint: endpoint.replace(/\/+$/, ''), fetch: send, signal };
}

/** The Hub's answer was an error: its status decides whether to try again. */
export class HubStatusError extends Error {
  override readonly name = 'HubStatusError';
  constructor(
    readonly statusCode: number,
    url: string,
  ) {
    super(`${url} answered with status ${statusCode}`);
  }
}

/** The Hub's answer ended before the file did. */
export class CutOffError extends Error {
  override readonly name = 'CutOffError';
}

/** The status of an answer that was an error, @huggingface/hub's included; undefined when there was no answer. */
function statusOf(error: unknown): number | undefined {
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** Whether it is worth trying again: no answer, an answer cut off, a server in trouble, too many requests. */
export function isTransient(error: unknown): boolean {
  if (TunesmithError.isInstance(error)) return false;
  const status = statusOf(error);
  if (status !== undefined) return status >= 500 || status === 429 || status === 408;
  // undici's errors of a connection refused or broken.
  const broken = error instanceof TypeError && /^(fetch failed|terminated)$/.test(error.message);
  return broken || error instanceof CutOffError || /^(UND_ERR|ECONNRESET|ETIMEDOUT)/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | undefined)?.code ?? '');
}

/** Waits longer after each failure in a row: 0.2 s, 0.4 s, 0.8 s… */
export async function backOff(failures: number, signal: AbortSignal | undefined): Promise<void> {
  await delay(100 * 2 ** failures, undefined, signal === undefined ? {} : { signal });
}

/** An error of the Hub or of the way there, in the words of the one who asked for a repository. */
export function explainHubError(error: unknown, repository: Repository, hub: HubConnection): unknown {
  if (TunesmithError.isInstance(error)) return error;
  const where = addressOf(hub, repository);
  const { signal } = hub;
  const what = repository.type === 'model' ? 'model' : 'data set';
  if (signal?.aborted) return new TunesmithError('ABORTED', 'the download was stopped', { where, cause: error });
  const status = statusOf(error);
  const got = error instanceof Error ? error.message : String(error);
  if (status === 404) {
    return new TunesmithError('NAME_UNKNOWN', `the Hub has no such ${what} or revision`, { where, got, cause: error });
  }
  if (status === 401 || status === 403) {
    const hint = 'If it exists it is private or gated: accept its terms on its page and give an access token.';
    return new TunesmithError('NETWORK', `the Hub does not give this ${what}`, { where, got, hint, cause: error });
  }
  if (status !== undefined || isTransient(error)) {
    const hint = `Run it again to go on from where it stopped, or give the folder of a ${what}.`;
    return new TunesmithError('NETWORK', 'the Hub cannot be reached', { where, got, hint, cause: error });
  }
  return error;
}
