import { type EmbeddingSite, TunesmithError } from '@tunesmith/core';

/** Where a model turns tokens into embeddings. */
export function tokenEmbedding(sites: readonly EmbeddingSite[]): EmbeddingSite {
  const site = sites.find(({ role }) => role === 'embedding.token');
  if (site !== undefined) return site;
  throw new TunesmithError('CAPABILITY_MISSING', 'this family has no token embedding to put a prompt before');
}
