/** The shard of the full product that MATRIX_SHARD names; `npm run matrix` runs them all. */
import { backends } from './backends.js';
import { methodCases } from './method-cases.js';
import { extents, shardKey, shards } from './shards.js';
import { tinyFamilies } from './tiny-families.js';

const name = process.env.MATRIX_SHARD;
const shard = shards.find((each) => shardKey(each) === name);
if (shard === undefined) throw new Error(`MATRIX_SHARD is ${name}, not one of ${shards.map(shardKey).join(', ')}`);
const { method, family, backend } = shard;
methodCases[method].describe(tinyFamilies[family], { createBackend: backends[backend], extent: extents[backend] });
