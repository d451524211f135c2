import type { AdapterStack } from '../model/adapters.js';
import type { TokenColumns } from '../model/family.js';
import type { Model } from '../model/model.js';
import type { AttentionSite } from '../model/site.js';
import { createTrace } from '../model/trace.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { Program, ProgramIO, ProgramResult, TensorSpec } from '../program/program.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { type CacheSlots, cacheSpecs, decodingCache, promptCache, type RecordingCache } from './key-value-cache.js';

/** What generation runs: a model and where its values lie. */
export interface GenerationPlan {
  readonly model: Model;
  readonly parameters: ParameterStore;
  /** The stacks of adapters that act, one for each row; the base alone if not said. */
  readonly stacks?: readonly AdapterStack[];
}

/** Which adapters act, as a part of a program's name and of its inputs: rows of several stacks say which is theirs. */
function adaptersOf({ stacks = [[]] }: GenerationPlan, rows: number): { name: string; inputs: Named<TensorSpec> } {
  const isBase = stacks.length === 1 && stacks[0]?.length === 0;
  return {
    name: isBase ? '' : ` ${stacks.map((stack) => stack.join('+') || 'base').join(' | ')}`,
    inputs: stacks.length === 1 ? {} : { stackOfRow: { shape: [rows], dtype: 'int32' } },
  };
}

/** Where the tokens attend: what an encoder does among its own is done once. */
export function attentionSites({ sites }: Model): AttentionSite[] {
  return sites.filter((site): site is AttentionSite => site.kind === 'attention' && site.from === 'tokens');
}

/**
 * Reads prompts, padded on the right to one length: `ids` and `positions` int32 `[rows, length]`. Gives the `logits`
 * `[rows, vocabulary]` at `last`, flat indices int32 `[rows]`, and all keys and values. Causality hides the padding from
 * the prompts. Where an encoder reads the prompts, they are `sourceIds` and `sourceSegments` int32 `[rows, source]`, and
 * the answers' beginnings are what is read here.
 */
export function promptProgram(plan: GenerationPlan, rows: number, length: number, source = 0): Program {
  const adapters = adaptersOf(plan, rows);
  const sourceSpec: TensorSpec = { shape: [rows, source], dtype: 'int32' };
  return {
    name: `prompt[${rows}×${length}${source > 0 ? ` of ${source}` : ''}]${adapters.name}`,
    inputs: {
      ...adapters.inputs,
      ids: { shape: [rows, length], dtype: 'int32' },
      positions: { shape: [rows, length], dtype: 'int32' },
      last: { shape: [rows], dtype: 'int32' },
      ...(source > 0 && { sourceIds: sourceSpec, sourceSegments: sourceSpec }),
    },
    body(io) {
      const read = source > 0 ? { source: { ids: io.input('sourceIds'), segments: io.input('sourceSegments') } } : {};
      return runModel(io, plan, promptCache(), io.input('last'), read);
    },
  };
}

/** Reads one token a row, `ids` and `positions` int32 `[rows, 1]`, after those whose keys and values are in the cache. */
export function decodingProgram(plan: GenerationPlan, rows: number, slots: CacheSlots): Program {
  const adapters = adaptersOf(plan, rows);
  const { tokens, source } = slots;
  return {
    name: `decode[${rows}×${tokens}${source > 0 ? ` of ${source}` : ''}]${adapters.name}`,
    inputs: {
      ...adapters.inputs,
      ids: { shape: [rows, 1], dtype: 'int32' },
      positions: { shape: [rows, 1], dtype: 'int32' },
      ...(source > 0 && { sourceSegments: { shape: [rows, source], dtype: 'int32' } }),
      ...cacheSpecs(attentionSites(plan.model), rows, slots),
    },
    body(io) {
      const cache = decodingCache((name) => io.input(name), io.input('positions'), tokens);
      const past = source > 0 ? { source: { segments: io.input('sourceSegments') } } : {};
      return runModel(io, plan, cache, tf.range(0, rows, 1, 'int32'), past);
    },
  };
}

function runModel(
  io: ProgramIO,
  { model, parameters, stacks = [[]] }: GenerationPlan,
  cache: RecordingCache,
  last: Tensor,
  source: Pick<TokenColumns, 'source'>,
): ProgramResult {
  const t = createTrace(io, {
    training: false,
    cache,
    adapters: { stacks, ...(stacks.length > 1 && { rows: io.input('stackOfRow') }) },
    resolve: model.resolve,
    read: (handle) => parameters.readIn(io, handle),
    encoded: (handle) => parameters.encodedIn(io, handle),
  });
  const logits = model.run(t, { ids: io.input('ids'), positions: io.input('positions'), ...source }).logits(last);
  return { outputs: { logits, ...cache.fresh } };
}
