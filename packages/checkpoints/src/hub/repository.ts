/** A repository of the Hub. */
export interface Repository {
  readonly type: 'model' | 'dataset';
  readonly name: string;
}

/** Where people find it, and its files below that. */
export function addressOf({ endpoint }: { readonly endpoint: string }, { type, name }: Repository): string {
  return type === 'model' ? `${endpoint}/${name}` : `${endpoint}/${type}s/${name}`;
}

export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}
