import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Handle } from '../parameters/handle.js';
import type { ProgramIO } from '../program/program.js';
import type { NoiseScope } from '../random/uniform-noise.js';
import type { EncodedMatrix } from '../storage/encoded-matrix.js';
import { linear } from '../tensor/linear.js';
import { stopGradient } from '../tensor/stop-gradient.js';
import { type Shape, type Tensor, tf } from '../tensor/tfjs.js';
import { type ActiveAdapters, type AdapterStack, noAdapters } from './adapters.js';
import type { SourceKeys } from './builder.js';
import { asCurrentSite } from './current-site.js';
import type { Derived } from './derived.js';
import type { Handed } from './handed.js';
import type { Replaced } from './replaced.js';

/** Keys and values of the tokens before those of this run, kept by whoever generates. */
export interface AttentionCache {
  /**
   * Takes the new tokens' keys and values `[batch, keyHeads, seq, headDim]` of an attention site and returns them with
   * all earlier ones before them, `[batch, keyHeads, past + seq, headDim]`.
   */
  extend(site: string, key: Tensor, value: Tensor): { key: Tensor; value: Tensor };
  /**
   * The additive mask `[batch | 1, 1, seq, past + seq]` over what `extend` returns, causality and a window included:
   * where rows are filled to different lengths. Without it, the last key is taken to be the last query's own.
   */
  mask?(window: number | undefined): Tensor;
  /** How far each of those keys lies behind each query, int32 `[batch, seq, past + seq]`; absent where there is no past. */
  distances?(): Tensor;
  /** The keys and values of the source at a site: made once, when the prompt is read, and kept. */
  source(site: string, make: () => SourceKeys): SourceKeys;
}

/** Handed to all traced code: the only way to read parameters, to draw dropout and to report a value. */
export interface Trace {
  /** False in evaluation and generation: dropout is the identity. */
  readonly training: boolean;
  /** Whether blocks are recomputed in the backward pass rather than kept. */
  readonly checkpointBlocks: boolean;
  /** Additive attention mask `[batch | 1, 1, seq, keys]`; absent where causality says all. */
  readonly mask: Tensor | undefined;
  readonly cache: AttentionCache | undefined;
  /** Whether the mask is that of branches, which lie behind each other and begin at the same position. */
  readonly branched: boolean;
  /** Which of the model's adapters act. */
  readonly adapters: ActiveAdapters;
  /** True where no method acts on the checkpoint's model: see `withoutMethods`. */
  readonly bare: boolean;
  /** Whether nothing was trained yet, so that even weights that are trained in place are the checkpoint's. */
  readonly untrained: boolean;
  /** Where the tokens stand, int32 `[batch | 1, seq]`, counted from a text's start with all that methods put before it. */
  readonly positions: Tensor | undefined;
  /** A parameter's, a buffer's or a derived value in this program. */
  value(handle: Handle | Derived): Tensor;
  /**
   * x · Wᵀ: x `[.., in]` → `[.., out]`, with the weight as it is stored. A matrix that a codec keeps is multiplied as it is,
   * and never there as a whole for longer than that.
   */
  linear(x: Tensor, weight: Handle, layout: 'out-in' | 'in-out'): Tensor;
  /** The same value, which the gradient takes for a constant: DoRA's norm is made of these. */
  constant(handle: Handle): Tensor;
  /** Inverted dropout, with a mask keyed by (seed, step, row, site, call): rule F of the plugin contract. */
  dropout(x: Tensor, rate: number): Tensor;
  /**
   * Noise in [0, 1) under a name of the whole model's: the same wherever it is asked for, in recomputed blocks too. Noise of
   * a step is that of each of its micro-batches; noise of rows has `shape[0]` of them.
   */
  uniform(name: string, shape: Shape, scope: NoiseScope): Tensor;
  /** One of the objective's controls: only where it is trained. */
  control(name: string): Tensor;
  /** Reports a scalar to the host under a name: with each step, the mean over its micro-batches. */
  observe(name: string, value: Tensor): void;
  /**
   * An auxiliary loss of the batch as a whole, a scalar: `weight` times it is added to what is trained, and it is reported
   * beside the objective's loss, `value` itself, under its name. Counted once where a block is recomputed; losses of one name
   * add up. In evaluation it counts for nothing.
   */
  loss(name: string, value: Tensor, weight: number): void;
  /** Hands something on beside the output, out of recomputed blocks too: a value for `collectValues` further out, say. */
  hand(handed: Handed): void;
  /** Runs `body` and returns what it handed on, instead of handing it on. */
  capture<Result>(body: () => Result): { readonly result: Result; readonly handed: readonly Handed[] };
  /** Runs `body`, a model's forward pass, on tokens at these positions. */
  placed<Result>(positions: Tensor, body: () => Result): Result;
  /**
   * Runs `body`, a forward pass of the model as the checkpoint has it, under a mask of its own: no method acts, no adapter but
   * those of the stack, and no weight is replaced but by these. Nothing is dropped out.
   */
  withoutMethods<Result>(mask: Tensor | undefined, stack: AdapterStack, body: () => Result): Result;
  /** Runs `body` as part of the named site, which keys its random draws. */
  atSite<Result>(path: string, body: () => Result): Result;
  /** Runs `body` for the rows of one stack: the weights that it reads are that stack's. */
  inStack<Result>(stack: number, body: () => Result): Result;
  /** Which stack each row of what a site sees has, int32 `[rows]`: the batch's, or those of the picked positions. */
  stackOfRow(): Tensor;
  /**
   * Runs `body` on rows picked out of a batch: `positions` (int32 `[count]`) index the flattened `[batch · seq]`. Dropout
   * on `[count, ...]` then draws what it would draw for the whole `[batch, seq, ...]`.
   */
  atPositions<Result>(positions: Tensor, shape: readonly [batch: number, seq: number], body: () => Result): Result;
  /**
   * A form of `body` that can run more than once, each time with the mask, positions and values that it is given, and
   * draws the same dropout masks: how a checkpointed block is recomputed on its own inputs. Reading what `mustBeGiven`
   * says of, and is not given, is an error.
   */
  repeatable<Result>(body: () => Result, mustBeGiven: (key: string) => boolean): (given: Given) => Result;
}

/** What a recomputed block sees of a trace. */
export interface Given {
  /** By the key of a handle or derived value. */
  readonly values: ReadonlyMap<string, Tensor>;
  readonly mask: Tensor | undefined;
  readonly positions: Tensor | undefined;
}

export interface TraceOptions {
  readonly training: boolean;
  readonly checkpointBlocks?: boolean;
  readonly mask?: Tensor;
  readonly branched?: boolean;
  readonly cache?: AttentionCache;
  /** Which of the model's adapters act; none if not said. */
  readonly adapters?: ActiveAdapters;
  readonly untrained?: boolean;
  /** What to read for a handle, where a method, or an adapter of a stack, has put something else in its place. */
  readonly resolve?: (handle: Handle, stack: AdapterStack, bare: boolean) => Handle | Replaced;
  /** Reads a handle; by default the store's tensor under its key. */
  readonly read?: (handle: Handle) => Tensor;
  /** A matrix that a codec keeps, where the handle's value is one; by default there is none. */
  readonly encoded?: (handle: Handle) => EncodedMatrix | undefined;
  /** Reads one of the objective's controls; by default there is none. */
  readonly control?: (name: string) => Tensor;
  /** Reads what the gradient takes for a constant, where that is not the value itself: finite differences hold it still. */
  readonly readConstant?: (handle: Handle) => Tensor | undefined;
}

/** A trace with all that was handed on so far. */
export interface TraceWithObservations extends Trace {
  readonly observations: ReadonlyMap<string, Tensor>;
  /** Auxiliary losses by name, unweighted and weighted. */
  readonly losses: ReadonlyMap<string, { readonly value: Tensor; readonly weighted: Tensor }>;
}

/** A trace over one run of a program's body. */
export function createTrace(io: ProgramIO, options: TraceOptions): TraceWithObservations {
  const read = options.read ?? ((handle: Handle) => io.read(handle.key));
  const resolve = options.resolve ?? ((handle: Handle): Handle | Replaced => handle);
  let handed: Handed[] = [];
  let values: ReadonlyMap<string, Tensor> = new Map();
  let mustBeGiven = (_key: string): boolean => false;
  const derivedValues = new Map<string, Tensor>();
  let replacedValues = new Map<string, Tensor>();
  let { mask } = options;
  let positions: Tensor | undefined;
  let adapters = options.adapters ?? noAdapters;
  let stack = 0;
  let bare = false;
  let site = '';
  let deriving = false;
  let isConstant = false;
  let picked: Picked | undefined;
  let draws = new Map<string, number>();

  const derive = (derived: Derived): Tensor => {
    const known = derivedValues.get(derived.key);
    if (known !== undefined) return known;
    const outer = deriving;
    deriving = true;
    try {
      const value = derived.make(trace);
      derivedValues.set(derived.key, value);
      return value;
    } finally {
      deriving = outer;
    }
  };

  /** A value in this program, not looked for under another name. */
  const resolvedValue = (resolved: Handle | Derived | Replaced): Tensor => {
    if (resolved.kind === 'replaced') return replace(resolved);
    if (isConstant && resolved.kind !== 'derived') {
      return options.readConstant?.(resolved) ?? values.get(resolved.key) ?? read(resolved);
    }
    const given = values.get(resolved.key);
    if (given !== undefined) return given;
    if (mustBeGiven(resolved.key)) throw lostGradient(resolved.path, site);
    return resolved.kind === 'derived' ? derive(resolved) : read(resolved);
  };

  const replace = (replaced: Replaced): Tensor => {
    const known = replacedValues.get(replaced.key);
    if (known !== undefined) return known;
    const value = replaced.value(resolvedValue(replaced.of), trace);
    replacedValues.set(replaced.key, value);
    return value;
  };

  const resolveHere = (handle: Handle): Handle | Replaced => resolve(handle, adapters.stacks[stack] ?? [], bare);

  const trace: TraceWithObservations = {
    get training() {
      return options.training && !bare;
    },
    get checkpointBlocks() {
      return !bare && (options.checkpointBlocks ?? false);
    },
    get bare() {
      return bare;
    },
    untrained: options.untrained ?? false,
    get mask() {
      return mask;
    },
    cache: options.cache,
    branched: options.branched ?? false,
    get adapters() {
      return adapters;
    },
    get positions() {
      return positions;
    },
    get observations() {
      return new Map(handed.flatMap(({ kind, name, value }) => (kind === 'observation' ? [[name, value]] : [])));
    },
    get losses() {
      return lossesOf(handed);
    },
    value(handle) {
      return resolvedValue(handle.kind === 'derived' ? handle : resolveHere(handle));
    },
    linear(x, weight, layout) {
      const resolved = resolveHere(weight);
      const isOwn = resolved.kind !== 'replaced' && !values.has(resolved.key);
      const encoded = isOwn ? options.encoded?.(resolved) : undefined;
      if (encoded !== undefined) return encoded.linear(x);
      const stored = resolvedValue(resolved);
      return linear(x, layout === 'out-in' ? stored : tf.transpose(stored));
    },
    constant(handle) {
      return stopGradient(() => {
        const outer = { replacedValues, isConstant };
        // What is computed in here goes with this tape, and holds still what it is made of.
        [replacedValues, isConstant] = [new Map(), true];
        try {
          return resolvedValue(resolveHere(handle));
        } finally {
          ({ replacedValues, isConstant } = outer);
        }
      });
    },
    dropout(x, rate) {
      if (!trace.training || rate === 0) return x;
      if (deriving) {
        throw new TunesmithError('INTERNAL', 'a derived value has no rows to draw dropout for', { where: site });
      }
      const draw = draws.get(site) ?? 0;
      draws.set(site, draw + 1);
      const name = draw === 0 ? site : `${site}#${draw}`;
      return tf.mul(x, tf.mul(tf.cast(keepMask(io, name, x, rate, picked), 'float32'), 1 / (1 - rate)));
    },
    uniform: (name, shape, scope) => io.uniform(name, shape, scope),
    control(name) {
      if (options.control !== undefined) return options.control(name);
      throw new TunesmithError('INTERNAL', 'controls are there in training alone', { where: name });
    },
    observe(name, value) {
      handed.push({ kind: 'observation', name, value });
    },
    loss(name, value, weight) {
      handed.push({ kind: 'loss', name, value, weight });
    },
    hand: (each) => void handed.push(each),
    capture(body) {
      const outer = handed;
      const own: Handed[] = [];
      handed = own;
      try {
        return { result: body(), handed: own };
      } finally {
        handed = outer;
      }
    },
    placed(given, body) {
      const outer = positions;
      positions = given;
      try {
        return body();
      } finally {
        positions = outer;
      }
    },
    withoutMethods(ownMask, ownStack, body) {
      const outer = { bare, mask, adapters };
      [bare, mask, adapters] = [true, ownMask, { stacks: [ownStack] }];
      try {
        return trace.capture(body).result;
      } finally {
        ({ bare, mask, adapters } = outer);
      }
    },
    atSite(path, body) {
      const outer = site;
      site = path;
      try {
        return asCurrentSite(path, body);
      } finally {
        site = outer;
      }
    },
    inStack(index, body) {
      const outer = stack;
      stack = index;
      try {
        return body();
      } finally {
        stack = outer;
      }
    },
    stackOfRow() {
      if (adapters.rows === undefined) {
        throw new TunesmithError('INTERNAL', 'several stacks of adapters, and no row says which is its own', {
          where: site,
        });
      }
      if (picked === undefined) return adapters.rows;
      return tf.gather(adapters.rows, tf.floorDiv(picked.positions, tf.scalar(picked.seq, 'int32')) as never);
    },
    atPositions(positions, [batch, seq], body) {
      picked = { positions, batch, seq };
      try {
        return body();
      } finally {
        picked = undefined;
      }
    },
    repeatable(body, needed) {
      const drawsAtStart = new Map(draws);
      return (given) => {
        const outer = { values, mask, mustBeGiven, positions, replacedValues };
        values = new Map([...values, ...given.values]);
        ({ mask, positions } = given);
        mustBeGiven = needed;
        // What was computed from the originals would hide the gradient that belongs to what is given.
        replacedValues = new Map();
        draws = new Map(drawsAtStart);
        try {
          return body();
        } finally {
          ({ values, mask, mustBeGiven, positions, replacedValues } = outer);
        }
      };
    },
  };
  return trace;
}

function lossesOf(handed: readonly Handed[]): TraceWithObservations['losses'] {
  const losses = new Map<string, { value: Tensor; weighted: Tensor }>();
  for (const { kind, name, value, weight = 1 } of handed) {
    if (kind !== 'loss') continue;
    const before = losses.get(name);
    const weighted = tf.mul(value, weight);
    losses.set(name, {
      value: before === undefined ? value : tf.add(before.value, value),
      weighted: before === undefined ? weighted : tf.add(before.weighted, weighted),
    });
  }
  return losses;
}

function lostGradient(path: string, site: string): TunesmithError {
  return new TunesmithError(
    'INTERNAL',
    'a recomputed block reads what it was not given, whose gradient would be lost',
    {
      where: `"${path}" at ${site}`,
      hint: 'Declare it at a site of the block, or by the method itself.',
    },
  );
}

/** Rows picked out of a batch. */
interface Picked {
  readonly positions: Tensor;
  readonly batch: number;
  readonly seq: number;
}

/** A mask for x, drawn row of the batch by row of the batch wherever x's own rows come from. */
function keepMask(io: ProgramIO, site: string, x: Tensor, rate: number, picked: Picked | undefined): Tensor {
  if (picked === undefined) return io.keepMask(site, x.shape, rate);
  const { positions, batch, seq } = picked;
  const features = x.shape.slice(1);
  const whole = tf.cast(io.keepMask(site, [batch, seq, ...features], rate), 'float32');
  return tf.gather(tf.reshape(whole, [batch * seq, ...features]), positions as never);
}
