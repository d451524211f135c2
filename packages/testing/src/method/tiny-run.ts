import {
  type AdapterMethods,
  adamw,
  type Backend,
  buildModel,
  type CheckpointStore,
  chain,
  clipByGlobalNorm,
  constantSchedule,
  createParameterStore,
  createTrainer,
  elementCount,
  encodeWeight,
  type Family,
  type Handle,
  initialiseHandles,
  type Method,
  type Model,
  type Objective,
  type ParameterStore,
  type Quantization,
  type Row,
  type RowSource,
  randomKey,
  randomNormal,
  randomUniform,
  type StageState,
  sft,
  type Trainer,
  type TrainerEvent,
  type TrainerOptions,
} from '@tunesmith/core';

/** A family and a config.json small enough to train in a test. */
export interface TinyModelCase {
  readonly family: Family;
  /** What config.json would say. */
  readonly config: Record<string, unknown>;
  /** What it is trained for; `sft` if not said. */
  readonly objective?: Objective;
  /** How the base's matrices are kept; as float32 if not said. */
  readonly quantization?: Quantization;
}

/** A model with random weights, and where they lie. */
export interface TinyModel {
  readonly model: Model;
  readonly parameters: ParameterStore;
  readonly backend: Backend;
  readonly objective: Objective;
}

/** Norm weights near 1, everything else N(0, 0.25²): large enough that a wrong forward pass shows. */
function randomWeight({ key, path, shape }: Handle): Float32Array {
  const random = randomKey(11, key);
  const isScale = shape.length === 1 && path.endsWith('.weight');
  return Float32Array.from({ length: elementCount(shape) }, (_, index) =>
    isScale ? 1 + 0.1 * randomNormal(random, index) : 0.25 * randomNormal(random, index),
  );
}

/** The model of a case, without its weights. */
export function buildTiny(
  { family, config, objective = sft, quantization }: TinyModelCase,
  methods: readonly Method[],
  stage: StageState | null = null,
  adapters: AdapterMethods = {},
): Model {
  const { task = 'causal-lm', labels } = objective;
  const head = { task, ...(labels === undefined ? {} : { labels }), ...(quantization && { quantization }) };
  return buildModel({ family, config: family.parseConfig(config), methods, stage, adapters, ...head });
}

/** Builds the model with methods; the same base weights every time, the methods' parameters by the seed. */
export async function tinyModel(
  testCase: TinyModelCase,
  methods: readonly Method[],
  backend: Backend,
  seed = 1,
  stage: StageState | null = null,
  adapters: AdapterMethods = {},
): Promise<TinyModel> {
  const { objective = sft } = testCase;
  const model = buildTiny(testCase, methods, stage, adapters);
  const parameters = createParameterStore(backend.createStore());
  for (const handle of model.handles) {
    if (handle.owner !== 'base') continue;
    const encoding = model.encodingOf(handle);
    if (encoding === undefined) await parameters.write(handle, randomWeight(handle));
    else parameters.writeParts(handle, encoding, encodeWeight(encoding, randomWeight(handle)));
  }
  await initialiseHandles(parameters, model.handles, seed);
  return { model, parameters, backend, objective };
}

/**
 * Random rows of random lengths, with weights of 0, 0.1 and 1; pairs of texts with a class where sequences are classified, and
 * answers to a source where an encoder reads one.
 */
export function tinyRows({ shape, head }: Model, count = 64, longest = 12): Row[] {
  const key = randomKey(5, 'rows');
  let draws = 0;
  const below = (limit: number): number => Math.floor(randomUniform(key, draws++) * limit);
  return Array.from({ length: count }, () => {
    const length = 4 + below(longest - 3);
    const tokens = Int32Array.from({ length }, () => below(shape.vocabularySize));
    const weights = Float32Array.from({ length }, (_, index) => (index === 0 ? 0 : ([0, 0.1, 1][below(3)] as number)));
    weights[length - 1] = 1;
    if (shape.answerStart !== undefined) {
      const source = Int32Array.from({ length: 4 + below(longest - 3) }, () => below(shape.vocabularySize));
      return { tokens, weights, source };
    }
    if (head.labels === 0) return { tokens, weights };
    const second = 2 + below(length - 2);
    const tokenTypes = Int32Array.from({ length }, (_, index) => (index < second ? 0 : 1));
    return { tokens, weights, tokenTypes, labels: Float32Array.of(below(head.labels)) };
  });
}

export function rowSource(rows: readonly Row[]): RowSource {
  return {
    length: rows.length,
    async *read(position) {
      for (let index = Number(position ?? 0); ; index++) {
        yield { row: rows[index % rows.length] as Row, position: index + 1 };
      }
    },
  };
}

export type TinyTrainerOptions = Partial<
  Pick<
    TrainerOptions,
    | 'batchSize'
    | 'gradientAccumulation'
    | 'accumulateApart'
    | 'steps'
    | 'seed'
    | 'gradientCheckpointing'
    | 'learningRate'
    | 'optimizer'
    | 'evaluation'
    | 'rows'
  >
> & { readonly checkpoints?: CheckpointStore };

/** A trainer over random rows: AdamW and clipping unless told otherwise, rows of one bucket so that every batch has one shape. */
export function tinyTrainer(tiny: TinyModel, options: TinyTrainerOptions = {}): Promise<Trainer> {
  const { checkpoints, ...given } = options;
  return createTrainer({
    ...tiny,
    optimizer: chain(clipByGlobalNorm(1), adamw()),
    schedule: constantSchedule(),
    learningRate: 1e-2,
    weightDecay: 0.01,
    rows: rowSource(tinyRows(tiny.model)),
    batchSize: 4,
    steps: 4,
    maxLength: 16,
    padToken: 0,
    seed: 3,
    ...given,
    ...(checkpoints === undefined ? {} : { checkpoints: { store: checkpoints, every: 1 } }),
  });
}

/** Trains to the end, or to a step before it, and frees the programs; returns the losses. */
export async function trainTiny(
  tiny: TinyModel,
  { until, onEvent, ...options }: TinyTrainerOptions & TinyRunOptions = {},
): Promise<number[]> {
  const trainer = await tinyTrainer(tiny, options);
  const losses: number[] = [];
  const stop = new AbortController();
  for await (const event of trainer.run({ signal: stop.signal })) {
    await onEvent?.(event);
    if (event.type === 'step') losses.push(event.loss);
    if (event.type === 'step' && event.step === until) stop.abort();
  }
  await trainer.dispose();
  return losses;
}

export interface TinyRunOptions {
  /** The step after which to stop. */
  readonly until?: number;
  readonly onEvent?: (event: TrainerEvent) => Promise<void>;
}
