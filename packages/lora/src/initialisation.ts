/**
 * How A and B of a linear module start. PiSSA and OLoRA start them as part of the weight; PEFT takes that part out of the
 * base. Here the base stays as it is: first values of A and B are kept as buffers, and what they add is taken away,
 * y = W·x + scale · (B·A − B₀·A₀)·x.
 */
import {
  type Handle,
  type InitContext,
  type Initializer,
  kaimingUniform,
  type LinearSite,
  normal,
  type PatchableSite,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
  zeros,
} from '@tunesmith/core';
import type { LoraConfig } from './config.js';
import { leadingQ, leadingSingularVectors, type MatrixValues, multiplyTransposed } from './decomposition.js';
import { type LowRankShape, lowRankUpdate, transposed } from './low-rank.js';

/** A [rank, in] and B [out, rank] of a module; `start` where their first values are to be taken away again. */
export interface Factors {
  readonly a: Handle;
  readonly b: Handle;
  readonly start?: { readonly a: Handle; readonly b: Handle };
}

/** Declares a linear module's factors, started as the config says. */
export function declareFactors(site: PatchableSite<'linear'>, config: LoraConfig, shape: LowRankShape): Factors {
  const { inFeatures, outFeatures } = site;
  const aShape = [shape.rank, inFeatures];
  const bShape = [outFeatures, shape.rank];
  const declareA = config.useLoraFa ? site.buffer : site.parameter;
  switch (config.initLoraWeights) {
    case 'kaiming':
    case 'gaussian': {
      const aInit = config.initLoraWeights === 'gaussian' ? normal(1 / shape.rank) : kaimingUniform();
      return {
        a: declareA('lora_A.weight', { shape: aShape, init: aInit }),
        b: site.parameter('lora_B.weight', { shape: bShape, init: zeros, tags: ['lora_B'] }),
      };
    }
    case 'loftq': {
      checkRank(site, shape.rank);
      const b = site.parameter('lora_B.weight', {
        ...{ shape: bShape, init: leadingB(site, shape, readLoss), tags: ['lora_B'] },
      });
      return { a: declareA('lora_A.weight', { shape: aShape, init: leadingA(site, shape, b, readLoss) }), b };
    }
    case 'pissa':
    case 'olora': {
      checkRank(site, shape.rank);
      const [left, right] = config.initLoraWeights === 'pissa' ? [leadingB, leadingA] : [oloraB, oloraA];
      const startB = site.buffer('lora_B.start', { shape: bShape, init: left(site, shape) });
      const startA = site.buffer('lora_A.start', { shape: aShape, init: right(site, shape, startB) });
      return {
        a: declareA('lora_A.weight', { shape: aShape, init: ({ read }) => read(startA) }),
        b: site.parameter('lora_B.weight', { shape: bShape, init: ({ read }) => read(startB), tags: ['lora_B'] }),
        start: { a: startA, b: startB },
      };
    }
  }
}

/** `output` without what A₀ and B₀ add for x, where there are any. */
export function withoutStart(t: Trace, { start }: Factors, scale: number, x: Tensor, output: Tensor): Tensor {
  if (start === undefined) return output;
  return tf.sub(output, lowRankUpdate(x, t.value(start.a), t.value(start.b), scale));
}

/**
 * PiSSA (Meng et al. 2024, eq. 2), W = U·S·Vᵀ: B₀ = U·√(S/scale), over the `rank` largest singular values. LoftQ (Li et al.
 * 2023, algorithm 1, one iteration) does the same of what quantising took from the weight, W − Q.
 */
function leadingB(site: LinearSite, { rank, scale }: LowRankShape, read: ReadMatrix = readWeight): Initializer {
  return async (context) => {
    const { vectors, values } = leadingSingularVectors(await read(site, context), rank, context.key);
    return fromColumns(vectors, (index) => Math.sqrt((values[index] as number) / scale));
  };
}

/** A₀ = √(S/scale)·Vᵀ = S⁻¹·B₀ᵀ·W, and S = scale·|b|² for each column b of B₀. */
function leadingA(
  site: LinearSite,
  { rank, scale }: LowRankShape,
  b: Handle,
  read: ReadMatrix = readWeight,
): Initializer {
  return async (context) => {
    const columns = toColumns(await context.read(b), rank);
    const products = multiplyTransposed(await read(site, context), columns);
    return fromRows(products, (index) => {
      const singular = scale * (columns[index] as Float64Array).reduce((sum, value) => sum + value * value, 0);
      return singular > 0 ? 1 / singular : 0;
    });
  };
}

/** OLoRA (Büyükakyüz 2024, algorithm 1), W = Q·R: B₀ = the first columns of Q. */
function oloraB(site: LinearSite, { rank }: LowRankShape): Initializer {
  return async (context) => fromColumns(leadingQ(await readWeight(site, context), rank), () => 1);
}

/** A₀ = the first rows of R = B₀ᵀ·W. */
function oloraA(site: LinearSite, { rank }: LowRankShape, b: Handle): Initializer {
  return async (context) => {
    const columns = toColumns(await context.read(b), rank);
    return fromRows(multiplyTransposed(await readWeight(site, context), columns), () => 1);
  };
}

function checkRank({ path, inFeatures, outFeatures }: LinearSite, rank: number): void {
  if (rank <= Math.min(inFeatures, outFeatures)) return;
  throw new TunesmithError('CONFIG_INVALID', 'the rank is larger than that of the weight that A and B start from', {
    where: path,
    expected: `at most ${Math.min(inFeatures, outFeatures)}`,
    got: String(rank),
  });
}

/** A matrix [out, in] of a site that factors start from. */
type ReadMatrix = (site: LinearSite, context: InitContext) => Promise<MatrixValues>;

/** The weight, however it is stored. */
async function readWeight(site: LinearSite, { readBase }: InitContext): Promise<MatrixValues> {
  return outIn(site, await readBase(site.weightHandle.path));
}

/** What quantising took from the weight. @throws CONFIG_INVALID where it took nothing */
async function readLoss(site: LinearSite, { readBase, readOriginal }: InitContext): Promise<MatrixValues> {
  const { path } = site.weightHandle;
  const original = await readOriginal(path);
  if (original === null) {
    throw new TunesmithError(
      'CONFIG_INVALID',
      'LoftQ makes up for what quantising took from a weight, and nothing was',
      {
        where: path,
        expected: 'a weight that is quantised as it is loaded',
        hint: 'Say `model.quantization`, name the modules that it takes, and give a checkpoint that is not quantised yet.',
      },
    );
  }
  const kept = await readBase(path);
  return outIn(
    site,
    original.map((value, index) => value - (kept[index] as number)),
  );
}

function outIn({ layout, inFeatures, outFeatures }: LinearSite, stored: Float32Array): MatrixValues {
  const matrix = { rows: outFeatures, columns: inFeatures };
  return { ...matrix, values: layout === 'out-in' ? stored : transposed(stored, inFeatures, outFeatures) };
}

function fromRows(rows: readonly Float64Array[], factor: (index: number) => number): Float32Array {
  const width = rows[0]?.length ?? 0;
  const values = new Float32Array(rows.length * width);
  rows.forEach((row, index) => {
    values.set(
      row.map((value) => factor(index) * value),
      index * width,
    );
  });
  return values;
}

function fromColumns(columns: readonly Float64Array[], factor: (index: number) => number): Float32Array {
  const height = columns[0]?.length ?? 0;
  const values = new Float32Array(columns.length * height);
  columns.forEach((column, index) => {
    const scale = factor(index);
    for (let row = 0; row < height; row++) values[row * columns.length + index] = scale * (column[row] as number);
  });
  return values;
}

function toColumns(values: Float32Array, count: number): Float64Array[] {
  return Array.from({ length: count }, (_, column) =>
    Float64Array.from({ length: values.length / count }, (_row, row) => values[row * count + column] as number),
  );
}
