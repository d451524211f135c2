import { TunesmithError } from '../errors/tunesmith-error.js';
import type { AdapterStack } from '../model/adapters.js';
import { createTrace } from '../model/trace.js';
import type { Batch, LossTerm, OwnLabels, Predictions } from '../objective/objective.js';
import { mapNamed } from '../optimizer/transformation.js';
import type { Handle } from '../parameters/handle.js';
import type { Program, ProgramIO, ProgramResult, TensorSpec } from '../program/program.js';
import { attentionMask, branchMask } from '../tensor/attention-mask.js';
import { type Named, type Tensor, tf } from '../tensor/tfjs.js';
import { applyGradients, checkOwned, optimizerSpecs, updateTrace } from './apply-gradients.js';
import { controlSpecs, objectiveControls } from './controls.js';
import { differentiate } from './gradients.js';
import { inputNames, outputNames } from './program-names.js';
import { chunkShape, chunksOf, columnSpecs, gradientEntry, type TrainingPlan } from './training-plan.js';

const scalar: TensorSpec = { shape: [], dtype: 'float32' };

/** Forward, backward, clipping and update in one program: training without accumulation. */
export function stepProgram(plan: TrainingPlan, batch: Batch): Program {
  return {
    name: `step[${shapeKey(batch)}]`,
    inputs: { ...batchSpecs(plan, batch), ...optimizerSpecs(plan) },
    body(io) {
      const { gradients, outputs } = backward(io, plan, batch, 'added');
      const probed = probedNorms(io, plan, batch);
      const applied = applyGradients(io, plan, gradients);
      return { ...applied, outputs: { ...outputs, ...probed, ...applied.outputs } };
    },
  };
}

/** Forward and backward of one micro-batch, its gradients added to what earlier ones left. */
export function accumulateProgram(plan: TrainingPlan, batch: Batch): Program {
  return {
    name: `accumulate[${shapeKey(batch)}]`,
    inputs: batchSpecs(plan, batch),
    body(io) {
      const { gradients, outputs } = backward(io, plan, batch, 'refused');
      const sums = chunksOf(plan).map((chunk): [string, Tensor] => {
        const entry = gradientEntry(chunk);
        return [entry, tf.add(io.read(entry), gradients[chunk.entry] as Tensor)];
      });
      return { outputs, updates: Object.fromEntries(sums) };
    },
  };
}

/** Clips and applies the accumulated gradients, and clears them. */
export function applyProgram(plan: TrainingPlan): Program {
  return {
    name: 'apply',
    inputs: optimizerSpecs(plan),
    body(io) {
      const chunks = chunksOf(plan);
      const gradients = Object.fromEntries(chunks.map((chunk) => [chunk.entry, io.read(gradientEntry(chunk))]));
      const applied = applyGradients(io, plan, gradients);
      const cleared = chunks.map((chunk) => [gradientEntry(chunk), tf.zeros([...chunkShape(chunk)])]);
      return { outputs: applied.outputs, updates: { ...applied.updates, ...Object.fromEntries(cleared) } };
    },
  };
}

/** Forward and backward of single rows, whose gradients the methods fold into their buffers. */
export function foldProgram(plan: TrainingPlan, batch: Batch, ownLabels?: OwnLabels): Program {
  return {
    name: `fold[${shapeKey(batch)}]`,
    inputs: {
      ...batchSpecs(plan, batch),
      ...(ownLabels === undefined ? {} : { [inputNames.label]: { shape: [], dtype: 'int32' } }),
    },
    body(io) {
      const given = open(io, plan, batch, false);
      const { columns, weight } = ownLabels?.relabel(
        plan.model,
        given.columns,
        given.t,
        io.input(inputNames.label),
      ) ?? {
        columns: {},
        weight: tf.scalar(1),
      };
      const { byKey, outputs } = gradientsByKey(io, plan, batch, 'left', columns);
      const gradient = (handle: Handle): Tensor => byKey.get(handle.key) as Tensor;
      const folded = plan.model.hooks.flatMap((owner) => {
        const trace = { ...updateTrace(io, plan, owner, outputs), gradient, weight };
        return [...checkOwned(plan, owner, owner.hooks.fold?.(trace) ?? new Map())];
      });
      return { outputs, updates: Object.fromEntries(folded.map(([{ key }, value]) => [key, value])) };
    },
  };
}

/** What a program without gradients is made of. */
export type EvaluationPlan = Pick<TrainingPlan, 'model' | 'parameters' | 'objective' | 'gradientCheckpointing'> & {
  readonly adapters?: AdapterStack;
};

/**
 * The objective's terms over a batch without dropout, unscaled: the host divides by the whole split's normalisers. Beside
 * them what the objective predicts for each row.
 */
export function evaluationProgram(plan: EvaluationPlan, batch: Batch): Program {
  const { adapters = [], objective, model } = plan;
  return {
    name: `evaluate[${[shapeKey(batch), ...adapters].join(', ')}]`,
    inputs: columnSpecs(batch),
    body(io): ProgramResult {
      const { columns, t } = open(io, plan, batch, false, undefined, adapters);
      const outputs = evaluatedTerms(objective.losses(model, columns, t));
      const predicted = objective.predictions?.predict(model, columns, t);
      return { outputs: predicted === undefined ? outputs : { ...outputs, [outputNames.predictions]: predicted } };
    },
  };
}

/**
 * Sums by what the host is to do with them: the loss, or the parts of a loss that is their total, weighted; and metrics.
 */
function evaluatedTerms(terms: readonly LossTerm[]): Named<Tensor> {
  const named = terms.some(({ name }) => name === 'loss');
  const outputs = terms.flatMap(({ name, sum, per, weight = 1 }): [string, Tensor][] => {
    if (name === 'loss') return [[outputNames.sum(per, 'loss', name), sum]];
    if (weight === 0) return [[outputNames.sum(per, 'metric', name), sum]];
    return named ? [] : [[outputNames.sum(per, 'part', name), tf.mul(sum, weight)]];
  });
  return Object.fromEntries(outputs);
}

/** What is computed for each row of a batch, such as what an objective predicts, under a name of its own. */
export function rowProgram(
  plan: EvaluationPlan,
  name: string,
  compute: Predictions['predict'],
  batch: Batch,
  untrained = false,
): Program {
  const { adapters = [], model } = plan;
  return {
    name: `${name}[${[shapeKey(batch), ...adapters].join(', ')}]`,
    inputs: columnSpecs(batch),
    body(io): ProgramResult {
      const { columns, t } = open(io, plan, batch, false, undefined, adapters, untrained);
      return { outputs: { [outputNames.predictions]: compute(model, columns, t) } };
    },
  };
}

function shapeKey(batch: Batch): string {
  return Object.entries(batch.columns)
    .map(([name, { shape }]) => `${name} ${shape.join('×')}`)
    .join(', ');
}

function batchSpecs(plan: TrainingPlan, batch: Batch): Named<TensorSpec> {
  const scales = Object.keys(batch.normalizers).map((per) => [inputNames.scale(per), scalar]);
  return { ...columnSpecs(batch), ...Object.fromEntries(scales), ...controlSpecs(objectiveControls(plan)) };
}

function open(
  io: ProgramIO,
  { model, parameters, gradientCheckpointing }: Pick<TrainingPlan, 'model' | 'parameters' | 'gradientCheckpointing'>,
  batch: Batch,
  training: boolean,
  trained: ReadonlyMap<string, Tensor> = new Map(),
  adapters: AdapterStack = [],
  untrained = false,
): { columns: Named<Tensor>; t: ReturnType<typeof createTrace> } {
  const columns = mapNamed(batch.columns, (_, name) => io.input(name));
  const { segments, branches } = columns;
  const t = createTrace(io, {
    training,
    checkpointBlocks: training && gradientCheckpointing,
    untrained,
    adapters: { stacks: [adapters] },
    ...(segments === undefined ? {} : { mask: attentionMask(segments, segments) }),
    ...(branches === undefined ? {} : { mask: branchMask(branches), branched: true }),
    ...(training && { control: (name: string) => io.input(inputNames.objectiveControl(name)) }),
    resolve: model.resolve,
    read: (handle) => trained.get(handle.key) ?? parameters.readIn(io, handle),
    encoded: (handle) => parameters.encodedIn(io, handle),
  });
  return { columns, t };
}

/** Scaled terms and the gradients of their sum, by chunk. */
function backward(
  io: ProgramIO,
  plan: TrainingPlan,
  batch: Batch,
  auxiliary: Auxiliary,
): { gradients: Named<Tensor>; outputs: Named<Tensor> } {
  const { byKey, outputs } = gradientsByKey(io, plan, batch, auxiliary);
  // Last layers first, as the backward pass finds them: a compiled program takes each gradient when it is first asked
  // for, and asking for the first layer's would run the whole backward chain with nothing freed on the way.
  const byChunk = chunksOf(plan)
    .reverse()
    .map(({ entry, handles }): [string, Tensor] => {
      const [only] = handles;
      if (handles.length === 1 && only !== undefined) return [entry, byKey.get(only.key) as Tensor];
      const lastFirst = [...handles].reverse().map(({ key }) => tf.reshape(byKey.get(key) as Tensor, [-1]));
      return [entry, tf.concat(lastFirst.reverse())];
    });
  return { gradients: Object.fromEntries(byChunk), outputs };
}

/**
 * What becomes of the layers' auxiliary losses. Each is one of a batch as a whole, so that those of micro-batches do not add up
 * to it (danger 13 of the plugin contract); and they are no part of the likelihood that a pass before training looks at.
 */
type Auxiliary = 'added' | 'refused' | 'left';

/** Scaled terms and the gradients of their sum, by the trained handles' keys. */
function gradientsByKey(
  io: ProgramIO,
  plan: TrainingPlan,
  batch: Batch,
  auxiliary: Auxiliary,
  relabelled: Named<Tensor> = {},
): { byKey: ReadonlyMap<string, Tensor>; outputs: Named<Tensor> } {
  const { model, parameters, objective } = plan;
  const values = model.trained.map((handle) => parameters.readIn(io, handle));
  const trained = new Map(model.trained.map((handle, index) => [handle.key, values[index] as Tensor]));
  const { gradients, kept } = differentiate((keep) => {
    const { columns, t } = open(io, plan, batch, true, trained);
    const terms = objective.losses(model, { ...columns, ...relabelled }, t);
    const parts = terms.flatMap(({ name, sum, per, weight = 1 }) => {
      const scaled = tf.mul(sum, io.input(inputNames.scale(per)));
      keep(outputNames.term(name), scaled);
      if (weight === 0) return [];
      return [weight === 1 ? scaled : tf.mul(scaled, weight)];
    });
    for (const [name, value] of t.observations) keep(outputNames.observed(name), value);
    const total = tf.addN(parts);
    if (!terms.some(({ name }) => name === 'loss')) keep(outputNames.term('loss'), total);
    const [first] = t.losses.keys();
    if (first === undefined || auxiliary === 'left') return total;
    if (auxiliary === 'refused') throw accumulated(first);
    for (const [name, { value }] of t.losses) keep(outputNames.term(name), value);
    return tf.addN([total, ...[...t.losses.values()].map(({ weighted }) => weighted)]);
  }, values);

  const unreached = model.trained.filter((_, index) => gradients[index] == null);
  if (unreached.length > 0) {
    throw new TunesmithError('CONFIG_INVALID', `the loss does not depend on ${unreached.length} trained parameters`, {
      where: unreached
        .slice(0, 3)
        .map(({ path }) => path)
        .join(', '),
      hint: 'Leave them out of the training, or use an objective that reaches them.',
    });
  }
  const byKey = new Map(model.trained.map(({ key }, index) => [key, gradients[index] as Tensor]));
  return { byKey, outputs: kept };
}

function accumulated(name: string): TunesmithError {
  return new TunesmithError('CAPABILITY_MISSING', 'an auxiliary loss of the whole batch cannot be accumulated', {
    where: name,
    expected: 'gradientAccumulation 1',
    hint: 'Take larger batches instead, with gradientCheckpointing if they do not fit, or train without that loss.',
  });
}

/**
 * The norms of single terms' gradients where the objective asks for them. Each has a tape of its own over the same forward pass, which a
 * compiling backend merges into one.
 */
function probedNorms(io: ProgramIO, plan: TrainingPlan, batch: Batch): Named<Tensor> {
  const { model, parameters, objective } = plan;
  const { probe } = objective;
  if (probe === undefined) return {};
  const values = new Map(model.trained.map((handle) => [handle.key, parameters.readIn(io, handle)]));
  const at = probe.at(model.trained).map(({ key }) => values.get(key) as Tensor);
  const norms = probe.terms.flatMap((name): [string, Tensor][] => {
    const { gradients } = differentiate(() => {
      const { columns, t } = open(io, plan, batch, true, values);
      const term = objective.losses(model, columns, t).find((each) => each.name === name) as LossTerm;
      return tf.mul(term.sum, io.input(inputNames.scale(term.per)));
    }, at);
    const squares = gradients.flatMap((gradient) => (gradient === null ? [] : [tf.sum(tf.square(gradient))]));
    return squares.length === 0 ? [] : [[outputNames.observed(`gradientNorm.${name}`), tf.sqrt(tf.addN(squares))]];
  });
  return Object.fromEntries(norms);
}
