import { TunesmithError } from '../errors/tunesmith-error.js';
import type { PatchHooks } from '../method/hooks.js';
import { apiVersion, type Method, type PatchedModel } from '../method/method.js';
import type { StageState } from '../method/stage.js';
import type { Handle } from '../parameters/handle.js';
import type { Encoding } from '../storage/encoded-matrix.js';
import type { TensorSource } from '../storage/stored-tensor.js';
import { linearCrossEntropy, logProbabilities, weightedLinearCrossEntropy } from '../tensor/linear-cross-entropy.js';
import { type Tensor, tf } from '../tensor/tfjs.js';
import { type AdapterMethods, type AdapterStack, checkStack, type Owner, ownersOf } from './adapters.js';
import { runBare } from './bare-run.js';
import { createBuilder } from './builder.js';
import type { Derived } from './derived.js';
import type { Family, ModelShape, Task, TaskHead, TaskModel, TokenColumns } from './family.js';
import { createPatcher } from './patcher.js';
import { checkQuantizedBase, encodedWeights, type Quantization } from './quantization.js';
import {
  createRegistry,
  type ModelRegistry,
  replacementKey,
  resolveHandle,
  siteKey,
  weightsUnder,
} from './registry.js';
import type { Replaced } from './replaced.js';
import { wrapsOf } from './run-site.js';
import type { AnySite, SiteOf } from './site.js';
import { headModulesOf, headOwnerOf, noHead, taskHead, trainHead } from './task-head.js';
import type { Trace } from './trace.js';
import { positionShift, virtualIds } from './virtual-tokens.js';

/** One forward pass and what can be read off it. */
export interface ModelRun {
  /** After the last norm, `[batch, seq, hidden]`. */
  readonly hidden: Tensor;
  /**
   * Log-probabilities `[count]` of `labels` (int32 `[count]`), each predicted at one of `positions`: int32 `[count]`
   * indices into the flattened `[batch · seq]`. Logits exist only for these, in chunks.
   */
  logProbs(positions: Tensor, labels: Tensor): Tensor;
  /** Σ `weights` · `logProbs(positions, labels)`, a scalar: cheaper where the head itself is trained. */
  sumLogProbs(positions: Tensor, labels: Tensor, weights: Tensor): Tensor;
  /** Logits at `positions` (as above), `[count, vocabulary]`, or at all, `[batch, seq, vocabulary]`. */
  logits(positions?: Tensor): Tensor;
  /**
   * One row of logits for each sequence, `[batch, labels]`. `last` int32 `[batch]` says where each sequence's last token
   * lies, as an index into the flattened `[batch · seq]`.
   */
  scores(last: Tensor): Tensor;
  /** The hidden state of each sequence that its scores are of, `[batch, hidden]`. */
  pooled(last: Tensor): Tensor;
}

/** The hooks that a method returned from patching. */
export interface MethodHooks {
  /** The method's name; of several of one name, with a number. */
  readonly method: string;
  readonly hooks: PatchHooks;
}

/** A family's forward pass for one config, patched by methods: sites, handles, and how to run it in a program. */
export interface Model {
  readonly family: Family;
  /** The family's, but that the positions which methods take are none of `maxPositions`. */
  readonly shape: ModelShape;
  /** Ids of the tokens that belong before every text: from the vocabulary's size on. */
  readonly virtualTokens: Int32Array;
  /** The task that it was built for. */
  readonly head: TaskHead;
  /** Modules of the head that are trained beside the methods and saved with each, by PEFT's names. */
  readonly headModules: readonly string[];
  /** The methods that always act. */
  readonly methods: readonly Method[];
  /** Beside them, adapters by name: a trace says which act. */
  readonly adapters: AdapterMethods;
  readonly patched: PatchedModel;
  readonly sites: readonly AnySite[];
  readonly handles: readonly Handle[];
  /** The handles that training moves, in a stable order. */
  readonly trained: readonly Handle[];
  /** The stage that it is patched for, of a method that has stages. */
  readonly stage: StageState | null;
  /** What the methods do beside the optimizer, in their order. */
  readonly hooks: readonly MethodHooks[];
  /** Values computed from parameters. */
  readonly derived: readonly Derived[];
  /** Whether nothing but a derived value reads the handle. */
  onlyDerivedFrom(handle: Handle): boolean;
  /** What a method declared or trains, and the head that is trained beside it: the content of its adapter. */
  ownedBy(method: Method): readonly Handle[];
  /** The owner of what a method declared: its name, behind its adapter's. */
  ownerOf(method: Method): string;
  /** Owners of what wraps a site, innermost first: methods, then the adapters of a stack. */
  wrappedBy(site: AnySite, stack?: AdapterStack): readonly string[];
  /** What programs read for a base weight: itself, the copy that a method or an adapter has in its place, or a function of it. */
  resolve(handle: Handle, stack?: AdapterStack, bare?: boolean): Handle | Replaced;
  /** How a base weight is to be kept, if by a codec. */
  encodingOf(handle: Handle): Encoding | undefined;
  /** What adapters that act together leave of the positions and put before a text. @throws NAME_UNKNOWN, METHOD_CONFLICT */
  under(stack: AdapterStack): ModelUnderStack;
  /** As the methods patch it, or as a reference: without them. @throws NAME_UNKNOWN, CAPABILITY_MISSING */
  run(t: Trace, columns: TokenColumns, options?: RunOptions): ModelRun;
  /** Patches it anew: other handles, and programs that read them, are void. Values stay where they lie. */
  enterStage(stage: StageState): void;
}

/** What acts in one forward pass. */
export interface RunOptions {
  /** `none` runs the checkpoint's own model, which the gradient takes for a constant: a reference. */
  readonly methods?: 'all' | 'none';
  /** Where no method acts: the adapters that do, the first innermost; none if not said. Elsewhere the trace says which. */
  readonly adapters?: AdapterStack;
}

/** What a stack of adapters changes for whoever feeds the model. */
export interface ModelUnderStack {
  /** Ids that belong before every text: the methods', then the adapters'. */
  readonly virtualTokens: Int32Array;
  /** What is left of the positions for a text. */
  readonly maxPositions: number;
}

export interface ModelOptions<Config> {
  readonly family: Family<Config>;
  /** The parsed config, from `family.parseConfig`. */
  readonly config: Config;
  /** In wrapping order: the first is the innermost. */
  readonly methods?: readonly Method[];
  /** Adapters that live beside each other outside the methods, frozen: a trace says which of them act. */
  readonly adapters?: AdapterMethods;
  /** The stage to patch for: that of an adapter which was saved in one. */
  readonly stage?: StageState | null;
  /** What it is for; the family's first task if not said. */
  readonly task?: Task;
  /** Logits of a sequence, where sequences are classified. */
  readonly labels?: number;
  /** How the base's frozen matrices are kept: by a codec, or as values; as the checkpoint has them if not said. */
  readonly quantization?: Quantization | 'none';
  /** Where its weights will come from: a head that is not there is trained, whatever else is, and codes are kept. */
  readonly checkpoint?: TensorSource;
}

/** Builds the family's sites and lets each method patch them. No weight is read and nothing is traced. */
export function buildModel<Config>(options: ModelOptions<Config>): Model {
  const { family, config, methods = [], adapters = {} } = options;
  const owners = ownersOf(methods, adapters);
  for (const method of owners.keys()) checkApiVersion(method);
  checkQuantizedBase(owners.keys(), options);
  const head = taskHead(family as Family, options.task, options.labels);
  let state = patch(options, owners, head, options.stage ?? null);
  const all = (): Handle[] => [...state.registry.handles.values()];
  const shape = family.describe(config);
  const ownerName = (method: Method): string => owners.get(method)?.owner ?? method.name;
  const under = (stack: AdapterStack): ModelUnderStack => {
    checkStack(stack, Object.keys(adapters));
    checkCopies(state.registry, stack);
    const virtualTokens = virtualIds(state.registry, shape.vocabularySize, stack);
    const taken = virtualTokens.length + positionShift(state.registry, stack);
    return { virtualTokens, maxPositions: freePositions(shape, taken) };
  };
  const { virtualTokens, maxPositions } = under([]);
  return {
    family: family as Family,
    shape: { ...shape, maxPositions },
    virtualTokens,
    head,
    headModules: state.registry.headModules,
    methods,
    adapters,
    get patched() {
      return state.patched;
    },
    get stage() {
      return state.stage;
    },
    get sites() {
      return state.patched.sites;
    },
    get handles() {
      return all();
    },
    get hooks() {
      return state.hooks;
    },
    get trained() {
      return all().filter(({ key }) => state.registry.trained.has(key));
    },
    get derived() {
      return [...state.registry.derived.values()];
    },
    onlyDerivedFrom: ({ key }) => state.registry.onlyDerivedFrom.has(key),
    ownedBy(method) {
      const { adapter } = owners.get(method) ?? { adapter: null };
      const ownHead = headOwnerOf(adapter);
      return all().filter((handle) => handle.owner === ownHead || ownerOf(state, handle) === ownerName(method));
    },
    ownerOf: ownerName,
    wrappedBy: (site, stack = []) =>
      wrapsOf(state.registry.wraps.get(siteKey(site)) ?? [], stack).map(({ owner }) => owner),
    resolve: (handle, stack = [], bare = false) => resolveHandle(state.registry, handle, stack, bare),
    encodingOf: ({ key }) => state.encodings.get(key),
    under,
    run(t, columns, { methods: acting = 'all', adapters: alone = [] } = {}) {
      for (const stack of t.adapters.stacks) under(stack);
      checkRows(t, columns);
      const parts = {
        registry: state.registry,
        moved: movedPaths(state),
        forward: (trace: Trace, own: TokenColumns) => runForward(state.registry, state.built, trace, own),
        readFrom: (trace: Trace, hidden: Tensor) => readRun(state.registry, state.built, head, trace, hidden),
      };
      if (acting === 'none') checkStack(alone, Object.keys(adapters));
      return acting === 'none' ? runBare(parts, t, columns, alone) : parts.readFrom(t, parts.forward(t, columns));
    },
    enterStage(stage) {
      state = patch(options, owners, head, stage);
    },
  };
}

/** A family's sites as the methods patched them for one stage. */
interface PatchedState {
  readonly registry: ModelRegistry;
  readonly built: TaskModel;
  readonly patched: PatchedModel;
  readonly hooks: readonly MethodHooks[];
  readonly stage: StageState | null;
  readonly encodings: ReadonlyMap<string, Encoding>;
  /** The method whose stages are the run's. */
  readonly stager: Method | undefined;
}

function patch<Config>(
  { family, config, methods = [], adapters = {}, checkpoint, quantization }: ModelOptions<Config>,
  owners: ReadonlyMap<Method, Owner>,
  head: TaskHead,
  stage: StageState | null,
): PatchedState {
  const stagers = methods.filter((method) => method.stages !== undefined);
  if (stagers.length > 1) {
    throw new TunesmithError('METHOD_CONFLICT', 'two methods divide the run into stages', {
      got: stagers.map(({ name }) => name).join(', '),
      hint: 'Train them one after another: merge the first, or load it as the base of the second.',
    });
  }
  const [stager] = stagers;
  const registry = createRegistry();
  const built = family.build(createBuilder(registry), config, head);
  const patched: PatchedModel = {
    defaultTargets: family.defaultTargets,
    fanInFanOut: family.fanInFanOut ?? false,
    task: head.task,
    sites: [...registry.sites.values()],
    ...(family.adapterModules === undefined ? {} : { adapterModules: family.adapterModules }),
    ...(family.stackedModules === undefined ? {} : { stackedModules: family.stackedModules }),
  };
  if (owners.size > 0) registry.headModules = headModulesOf(registry, family as Family, built, checkpoint);
  const hooks = [...owners].flatMap(([method, own]): MethodHooks[] => {
    const entered = method === stager ? stage : null;
    const patcher = createPatcher(registry, patched, { method: method.name, own, stage: entered });
    const returned = method.patchModel(patcher);
    return returned === undefined || own.adapter !== null ? [] : [{ method: own.owner, hooks: returned }];
  });
  if (methods.length > 0) trainHead(registry, null);
  for (const adapter of Object.keys(adapters)) trainHead(registry, adapter);
  const encodings = encodedWeights(registry, { family, quantization, checkpoint });
  return { registry, built, patched, hooks, encodings, stage, stager };
}

/** The method that declared a handle, trains it now, or trained it in an earlier stage. */
function ownerOf({ registry, stage, stager }: PatchedState, { owner, key, path }: Handle): string | undefined {
  if (owner !== 'base') return owner;
  return registry.trained.get(key) ?? (stage?.moved.includes(path) ? stager?.name : undefined);
}

/** Paths of the checkpoint's weights that are trained in place, or were in an earlier stage. */
function movedPaths({ registry, stage }: PatchedState): string[] {
  const trained = [...registry.handles.values()].filter(
    ({ key, owner }) => owner === 'base' && registry.trained.has(key),
  );
  return [...trained.map(({ path }) => path), ...(stage?.moved ?? [])];
}

/** Adapters are chosen by row: whatever a row holds, several packed examples too, shares them. */
function checkRows({ adapters: { stacks, rows } }: Trace, { ids }: TokenColumns): void {
  if (stacks.length === 1 || rows?.shape[0] === ids.shape[0]) return;
  throw new TunesmithError('SHAPE_MISMATCH', 'adapters are chosen for each row of the batch', {
    expected: `${ids.shape[0]} entries, one a row`,
    got: rows === undefined ? 'none' : String(rows.shape[0]),
    hint: 'Examples of several adapters cannot be packed into one row.',
  });
}

/** No two adapters of a stack bring a copy of one module. */
function checkCopies(registry: ModelRegistry, stack: AdapterStack): void {
  for (const { key } of registry.handles.values()) {
    const copies = stack.filter((adapter) => registry.replacements.has(replacementKey({ key }, adapter)));
    if (copies.length < 2) continue;
    throw new TunesmithError('METHOD_CONFLICT', `each of ${copies.join(' and ')} brings a whole "${key}"`, {
      where: stack.join(', '),
      hint: 'Only one can be read. Use one of them at a time.',
    });
  }
}

function checkApiVersion(method: Method): void {
  if (method.apiVersion === apiVersion) return;
  throw new TunesmithError('API_VERSION', `the method "${method.name}" was written for another plugin contract`, {
    expected: `apiVersion ${apiVersion}`,
    got: String(method.apiVersion),
    hint: 'Install versions of the method and of @tunesmith/core that go together.',
  });
}

function freePositions({ maxPositions }: ModelShape, taken: number): number {
  if (taken < maxPositions) return maxPositions - taken;
  throw new TunesmithError('CONFIG_INVALID', 'the methods leave no position for a text', {
    expected: `fewer than the model's ${maxPositions} positions`,
    got: `${taken} taken by prefixes and virtual tokens`,
  });
}

function runForward(registry: ModelRegistry, { hidden }: TaskModel, t: Trace, columns: TokenColumns): Tensor {
  const positions = shiftedPositions(registry, t, columns.positions);
  return t.placed(positions, () => hidden(t, { ...columns, positions }));
}

function readRun(
  registry: ModelRegistry,
  { transform = (_, x) => x, head, classify, pool }: TaskModel,
  { task }: TaskHead,
  t: Trace,
  hidden: Tensor,
): ModelRun {
  const [batch = 1, seq = 1, width = 1] = hidden.shape;
  const rows = (positions: Tensor): Tensor => tf.gather(tf.reshape(hidden, [-1, width]), positions as never);
  const logitsOf = (x: Tensor): Tensor => {
    if (head === undefined) throw noHead(task, 'logits over the vocabulary');
    return head(t, transform(t, x));
  };
  const headAt = (positions: Tensor): Tensor => t.atPositions(positions, [batch, seq], () => logitsOf(rows(positions)));
  const plain = (): SiteOf<'linear'> | null => (head === undefined ? null : plainHead(registry, t));
  const readAt = (positions: Tensor): Tensor =>
    t.atPositions(positions, [batch, seq], () => transform(t, rows(positions)));
  const logProbs = (positions: Tensor, labels: Tensor): Tensor => {
    const weight = plain()?.weight(t);
    if (weight === undefined) return logProbabilities(headAt(positions), labels);
    return linearCrossEntropy(readAt(positions), weight, labels);
  };
  return {
    hidden,
    logProbs,
    sumLogProbs(positions, labels, weights) {
      const site = plain();
      const isTrained = site !== null && registry.trained.has(site.weightHandle.key);
      if (!isTrained) return tf.sum(tf.mul(logProbs(positions, labels), weights));
      return weightedLinearCrossEntropy(readAt(positions), site.weight(t), labels, weights);
    },
    logits: (positions) => (positions === undefined ? logitsOf(hidden) : headAt(positions)),
    scores(last) {
      if (classify === undefined) throw noHead(task, 'scores of a sequence');
      return classify(t, hidden, last);
    },
    pooled(last) {
      if (pool === undefined) throw noHead(task, 'state that stands for a sequence');
      return pool(hidden, last);
    },
  };
}

/** Positions behind what the active adapters take without tokens; rows of several stacks are shifted each by its own. */
function shiftedPositions(registry: ModelRegistry, t: Trace, positions: Tensor): Tensor {
  const shifts = t.adapters.stacks.map((stack) => positionShift(registry, stack, t.bare));
  const [first = 0] = shifts;
  if (shifts.every((shift) => shift === first)) {
    return first === 0 ? positions : tf.add(positions, tf.scalar(first, 'int32'));
  }
  const own: Tensor = tf.gather(tf.tensor1d(shifts, 'int32'), t.stackOfRow() as never); // [batch]
  return tf.add(positions, tf.expandDims(own, 1));
}

/** The head, where it is a bare product that the fused cross-entropy can take over. */
function plainHead(registry: ModelRegistry, { adapters: { stacks }, bare }: Trace): SiteOf<'linear'> | null {
  for (const site of registry.sites.values()) {
    if (site.kind !== 'linear' || site.role !== 'head') continue;
    const wraps = registry.wraps.get(siteKey(site)) ?? [];
    const isWrapped = stacks.some((stack) => wrapsOf(wraps, stack, bare).length > 0);
    const isShared = new Set(stacks.map((stack) => weightsUnder(registry, site, stack))).size === 1;
    return site.biasHandle === null && !isWrapped && isShared ? site : null;
  }
  return null;
}
