/** Folds LoRA and its variants into a weight on the host. */
import type { Handle, MergeHost, MergeResult, SiteOf } from '@tunesmith/core';
import type { LoraConfig } from './config.js';
import { magnitudeName, rowNorms } from './dora.js';
import { addLowRankProduct, lowRankShape, transposed } from './low-rank.js';
import { tokenRowsName } from './tokens.js';

type MergeSite = SiteOf<'linear' | 'embedding'>;

export type Merge = (site: MergeSite, weight: Float32Array, host: MergeHost, sign: 1 | -1) => Promise<MergeResult>;

/** weight += sign · scale · (B·A − B₀·A₀), then every output scaled to DoRA's magnitude. */
export async function mergeUpdate(
  config: LoraConfig,
  site: MergeSite,
  weight: Float32Array,
  host: MergeHost,
  sign: 1 | -1,
): Promise<MergeResult> {
  const { rank, scale } = lowRankShape(config, site.path);
  const read = async (name: string): Promise<Float32Array | null> => {
    const handle = host.handle(site, name);
    return handle === undefined ? null : host.read(handle);
  };
  if (site.kind === 'embedding') {
    const [a, b] = [await read('lora_embedding_A'), await read('lora_embedding_B')];
    if (a === null || b === null) return false;
    // The weight lies [rows, features], and the update is (B·A)ᵀ = Aᵀ·Bᵀ.
    const [right, left] = [transposed(b, site.features, rank), transposed(a, rank, site.rows)];
    addLowRankProduct(weight, right, left, rank, sign * scale);
  } else {
    const [a, b] = [await read('lora_A.weight'), await read('lora_B.weight')];
    if (a === null || b === null) return false;
    addLowRankProduct(weight, a, b, rank, sign * scale);
    const [startA, startB] = [await read('lora_A.start'), await read('lora_B.start')];
    if (startA !== null && startB !== null) addLowRankProduct(weight, startA, startB, rank, -sign * scale);
  }
  const magnitude = await read(magnitudeName);
  if (magnitude === null) return true;
  // The norm can't be had back from the merged weight.
  if (sign === -1) return 'irreversible';
  const [shape, axis] =
    site.kind === 'embedding'
      ? ([[site.rows, site.features], 1] as const)
      : ([[site.outFeatures, site.inFeatures], 0] as const);
  const norms = rowNorms(weight, shape, axis);
  for (let index = 0; index < weight.length; index++) {
    const output = axis === 0 ? Math.floor(index / shape[1]) : index % shape[1];
    const norm = norms[output] as number;
    weight[index] = norm === 0 ? 0 : ((weight[index] as number) * (magnitude[output] as number)) / norm;
  }
  return 'irreversible';
}

/** Puts the trained rows of single tokens into a weight [rows, features], under whichever of its sites' names. */
export async function mergeTokens(
  tokensByRows: ReadonlyMap<Handle, readonly number[]>,
  site: MergeSite,
  weight: Float32Array,
  host: MergeHost,
): Promise<MergeResult> {
  const owner = { ...site, path: site.weightHandle.path.replace(/\.weight$/, '') };
  const handle = host.handle(owner, tokenRowsName);
  const tokens = handle === undefined ? undefined : tokensByRows.get(handle);
  if (handle === undefined || tokens === undefined) return false;
  const rows = await host.read(handle);
  const features = handle.shape[1] as number;
  tokens.forEach((token, index) => {
    weight.set(rows.subarray(index * features, (index + 1) * features), token * features);
  });
  return 'irreversible';
}
