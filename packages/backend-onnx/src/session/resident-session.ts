import type { LoweredProgram } from '../lower/lower-program.js';
import type { BoundInput } from '../lower/lowering.js';
import { elementCount } from '../trace/graph.js';
import type { OnnxSession } from './onnx-runtime.js';
import type { OnnxStore, StoredValue } from './onnx-store.js';

/** A smaller tensor costs less to feed than a session costs to open again when it has changed. */
const leastElements = 2 ** 18;

/** A stored tensor that a session holds as a constant: its graph input's name is the constant's. */
export type Weight = BoundInput & { readonly binding: { readonly kind: 'stored' } };

/** A program whose large tensors that it only reads are constants, and those tensors. */
export interface WeightedProgram {
  readonly lowered: LoweredProgram;
  readonly weights: readonly Weight[];
}

/**
 * Makes constants of the large stored tensors that a program only reads. A device that takes no tensors of its own from
 * JavaScript keeps them in its memory that way; what is fed crosses the bus at every run.
 */
export function holdWeights(lowered: LoweredProgram, least = leastElements): WeightedProgram {
  const weights = lowered.bound.filter(
    (input): input is Weight =>
      input.binding.kind === 'stored' && !lowered.updates.has(input.binding.name) && elementCount(input.shape) >= least,
  );
  const held = new Set(weights.map(({ graphName }) => graphName));
  const { model, bound } = lowered;
  return {
    weights,
    lowered: {
      ...lowered,
      bound: bound.filter(({ graphName }) => !held.has(graphName)),
      model: {
        ...model,
        inputs: model.inputs.filter(({ name }) => !held.has(name)),
        externalInitializers: weights.map(({ graphName, type, shape }) => ({ name: graphName, type, shape })),
      },
    },
  };
}

/** Opens a session whose constants are these stored tensors. */
export type OpenSession = (weights: ReadonlyMap<string, StoredValue>) => Promise<OnnxSession>;

/** A session that is opened again when a stored tensor which it holds has changed. */
export class ResidentSession {
  readonly #open: OpenSession;
  readonly #weights: readonly Weight[];
  readonly #store: OnnxStore;
  #session: OnnxSession | undefined;
  /** What the session was opened with: ONNX Runtime may read it in place. */
  #held: ReadonlyMap<string, StoredValue> = new Map();

  constructor(open: OpenSession, weights: readonly Weight[], store: OnnxStore) {
    this.#open = open;
    this.#weights = weights;
    this.#store = store;
  }

  async current(): Promise<OnnxSession> {
    const present = new Map(
      this.#weights.map((weight) => [weight.graphName, this.#store.value(weight.binding.name)] as const),
    );
    if (this.#session !== undefined) {
      if (this.#weights.every(({ graphName: name }) => this.#held.get(name) === present.get(name)))
        return this.#session;
      await this.release();
    }
    this.#held = present;
    this.#session = await this.#open(present);
    return this.#session;
  }

  async release(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#held = new Map();
    await session?.release();
  }
}
