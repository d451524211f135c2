/** The shards of the full product that MATRIX_SHARDS names; `npm run matrix` runs them all. */
import { describe } from 'vitest';
import { backends } from './backends.js';
import { methodCases } from './method-cases.js';
import { extents, shardKey, shards } from './shards.js';
import { tinyFamilies } from './tiny-families.js';

for (const name of (process.env.MATRIX_SHARDS ?? '').split(' ')) {
  const shard = shards.find((each) => shardKey(each) === name);
  if (shard === undefined) throw new Error(`MATRIX_SHARDS has ${name}, not one of ${shards.map(shardKey).join(', ')}`);
  const { method, family, backend } = shard;
  // A hang shall end; how fast a busy machine is, is no matter.
  const where = { createBackend: backends[backend], extent: extents[backend], timeout: 900_000 };
  describe(name, () => methodCases[method].describe(tinyFamilies[family], where));
}
