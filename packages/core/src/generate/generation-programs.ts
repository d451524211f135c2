import type { AdapterStack } from '../model/adapters.js';
import type { Model } from '../model/model.js';
import type { AttentionSite } from '../model/site.js';
import { createTrace } from '../model/trace.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { Program, ProgramIO, ProgramResult, TensorSpec } from '../program/program.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { cacheSpecs, decodingCache, promptCache, type RecordingCache } from './key-value-cache.js';

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

export function attentionSites({ sites }: Model): AttentionSite[] {
  return sites.filter((site): site is AttentionSite => site.kind === 'attention');
}

/**
 * Reads prompts, padded on the right to one length: `ids` and `positions` int32 `[rows, length]`. Gives the `logits`
 * `[rows, vocabulary]` at `last`, flat indices int32 `[rows]`, and all keys and values. Causality hides the padding from
 * the prompts.
 */
export function promptProgram(plan: GenerationPlan, rows: number, length: number): Program {
  const adapters = adaptersOf(plan, rows);
  return {
    name: `prompt[${rows}×${length}]${adapters.name}`,
    inputs: {
      ...adapters.inputs,
      ids: { shape: [rows, length], dtype: 'int32' },
      positions: { shape: [rows, length], dtype: 'int32' },
      last: { shape: [rows], dtype: 'int32' },
    },
    body: (io) => runModel(io, plan, promptCache(), io.input('last')),
  };
}

/** Reads one token a row, `ids` and `positions` int32 `[rows, 1]`, after those whose keys and values are in the cache. */
export function decodingProgram(plan: GenerationPlan, rows: number, slots: number): Program {
  const adapters = adaptersOf(plan, rows);
  return {
    name: `decode[${rows}×${slots}]${adapters.name}`,
    inputs: {
      ...adapters.inputs,
      ids: { shape: [rows, 1], dtype: 'int32' },
      positions: { shape: [rows, 1], dtype: 'int32' },
      ...cacheSpecs(attentionSites(plan.model), rows, slots),
    },
    body(io) {
      const cache = decodingCache((name) => io.input(name), io.input('positions'), slots);
      return runModel(io, plan, cache, tf.range(0, rows, 1, 'int32'));
    },
  };
}

function runModel(
  io: ProgramIO,
  { model, parameters, stacks = [[]] }: GenerationPlan,
  cache: RecordingCache,
  last: Tensor,
): ProgramResult {
  const t = createTrace(io, {
    training: false,
    cache,
    adapters: { stacks, ...(stacks.length > 1 && { rows: io.input('stackOfRow') }) },
    resolve: model.resolve,
    read: (handle) => parameters.readIn(io, handle),
    encoded: (handle) => parameters.encodedIn(io, handle),
  });
  const logits = model.run(t, { ids: io.input('ids'), positions: io.input('positions') }).logits(last);
  return { outputs: { logits, ...cache.fresh } };
}
