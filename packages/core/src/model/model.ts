import { TunesmithError } from '../errors/tunesmith-error.js';
import type { PatchHooks } from '../method/hooks.js';
import { apiVersion, type Method, type PatchedModel } from '../method/method.js';
import type { StageState } from '../method/stage.js';
import type { Handle } from '../parameters/handle.js';
import type { TensorSource } from '../storage/stored-tensor.js';
import { linearCrossEntropy, logProbabilities } from '../tensor/linear-cross-entropy.js';
import { type Tensor, tf } from '../tensor/tfjs.js';
import { createBuilder } from './builder.js';
import type { Derived } from './derived.js';
import type { Family, ModelShape, Task, TaskHead, TaskModel, TokenColumns } from './family.js';
import { createPatcher } from './patcher.js';
import { createRegistry, type ModelRegistry, siteKey } from './registry.js';
import type { Replaced } from './replaced.js';
import type { AnySite, SiteOf } from './site.js';
import { headModulesOf, headOwner, noHead, taskHead, trainHead } from './task-head.js';
import type { Trace } from './trace.js';

/** One forward pass and what can be read off it. */
export interface ModelRun {
  /** After the last norm, `[batch, seq, hidden]`. */
  readonly hidden: Tensor;
  /**
   * Log-probabilities `[count]` of `labels` (int32 `[count]`), each predicted at one of `positions`: int32 `[count]`
   * indices into the flattened `[batch · seq]`. Logits exist only for these, in chunks.
   */
  logProbs(positions: Tensor, labels: Tensor): Tensor;
  /** Logits at `positions` (as above), `[count, vocabulary]`, or at all, `[batch, seq, vocabulary]`. */
  logits(positions?: Tensor): Tensor;
  /**
   * One row of logits for each sequence, `[batch, labels]`. `last` int32 `[batch]` says where each sequence's last token
   * lies, as an index into the flattened `[batch · seq]`.
   */
  scores(last: Tensor): Tensor;
}

/** The hooks that a method returned from patching. */
export interface MethodHooks {
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
  readonly methods: readonly Method[];
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
  /** Names of the methods that wrap a site, innermost first. */
  wrappedBy(site: AnySite): readonly string[];
  /** What programs read for a base weight: itself, the copy that a method trains in its place, or a function of it. */
  resolve(handle: Handle): Handle | Replaced;
  run(t: Trace, columns: TokenColumns): ModelRun;
  /** Patches it anew: other handles, and programs that read them, are void. Values stay where they lie. */
  enterStage(stage: StageState): void;
}

export interface ModelOptions<Config> {
  readonly family: Family<Config>;
  /** The parsed config, from `family.parseConfig`. */
  readonly config: Config;
  /** In wrapping order: the first is the innermost. */
  readonly methods?: readonly Method[];
  /** The stage to patch for: that of an adapter which was saved in one. */
  readonly stage?: StageState | null;
  /** What it is for; the family's first task if not said. */
  readonly task?: Task;
  /** Logits of a sequence, where sequences are classified. */
  readonly labels?: number;
  /** Where its weights will come from: a head that is not there is trained, whatever else is. */
  readonly checkpoint?: TensorSource;
}

/** Builds the family's sites and lets each method patch them. No weight is read and nothing is traced. */
export function buildModel<Config>(options: ModelOptions<Config>): Model {
  const { family, config, methods = [] } = options;
  for (const method of methods) checkApiVersion(method);
  const head = taskHead(family as Family, options.task, options.labels);
  const patched: PatchedModel = {
    defaultTargets: family.defaultTargets,
    fanInFanOut: family.fanInFanOut ?? false,
    task: head.task,
  };
  let state = patch(options, patched, head, options.stage ?? null);
  const all = (): Handle[] => [...state.registry.handles.values()];
  const shape = family.describe(config);
  const virtualCount = state.registry.virtual.reduce((sum, { count }) => sum + count, 0);
  return {
    family: family as Family,
    shape: { ...shape, maxPositions: freePositions(shape, virtualCount + state.registry.positionShift) },
    virtualTokens: Int32Array.from({ length: virtualCount }, (_, index) => shape.vocabularySize + index),
    head,
    headModules: state.registry.headModules,
    methods,
    patched,
    get stage() {
      return state.stage;
    },
    get sites() {
      return [...state.registry.sites.values()];
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
    ownedBy: (method) => all().filter((handle) => handle.owner === headOwner || ownerOf(state, handle) === method.name),
    wrappedBy: (site) => (state.registry.wraps.get(siteKey(site)) ?? []).map(({ method }) => method),
    resolve: (handle) => state.registry.replacements.get(handle.key) ?? handle,
    run: (t, columns) => runModel(state.registry, state.built, head, t, columns),
    enterStage(stage) {
      state = patch(options, patched, head, stage);
    },
  };
}

/** A family's sites as the methods patched them for one stage. */
interface PatchedState {
  readonly registry: ModelRegistry;
  readonly built: TaskModel;
  readonly hooks: readonly MethodHooks[];
  readonly stage: StageState | null;
  /** The method whose stages are the run's. */
  readonly stager: Method | undefined;
}

function patch<Config>(
  { family, config, methods = [], checkpoint }: ModelOptions<Config>,
  patched: PatchedModel,
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
  if (methods.length > 0) registry.headModules = headModulesOf(registry, family as Family, built, checkpoint);
  const hooks = methods.flatMap((method): MethodHooks[] => {
    const own = method === stager ? stage : null;
    const returned = method.patchModel(createPatcher(registry, patched, method, own));
    return returned === undefined ? [] : [{ method: method.name, hooks: returned }];
  });
  trainHead(registry);
  return { registry, built, hooks, stage, stager };
}

/** The method that declared a handle, trains it now, or trained it in an earlier stage. */
function ownerOf({ registry, stage, stager }: PatchedState, { owner, key, path }: Handle): string | undefined {
  if (owner !== 'base') return owner;
  return registry.trained.get(key) ?? (stage?.moved.includes(path) ? stager?.name : undefined);
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

function runModel(
  registry: ModelRegistry,
  { hidden: forward, transform = (_, x) => x, head, classify }: TaskModel,
  { task }: TaskHead,
  t: Trace,
  columns: TokenColumns,
): ModelRun {
  const { positionShift: shift } = registry;
  const positions = shift === 0 ? columns.positions : tf.add(columns.positions, tf.scalar(shift, 'int32'));
  const hidden = t.placed(positions, () => forward(t, { ...columns, positions }));
  const [batch = 1, seq = 1, width = 1] = hidden.shape;
  const rows = (positions: Tensor): Tensor => tf.gather(tf.reshape(hidden, [-1, width]), positions as never);
  const logitsOf = (x: Tensor): Tensor => {
    if (head === undefined) throw noHead(task, 'logits over the vocabulary');
    return head(t, transform(t, x));
  };
  const headAt = (positions: Tensor): Tensor => t.atPositions(positions, [batch, seq], () => logitsOf(rows(positions)));
  return {
    hidden,
    logProbs(positions, labels) {
      const plain = head === undefined ? null : plainHead(registry);
      if (plain === null) return logProbabilities(headAt(positions), labels);
      const read = t.atPositions(positions, [batch, seq], () => transform(t, rows(positions)));
      return linearCrossEntropy(read, plain.weight(t), labels);
    },
    logits: (positions) => (positions === undefined ? logitsOf(hidden) : headAt(positions)),
    scores(last) {
      if (classify === undefined) throw noHead(task, 'scores of a sequence');
      return classify(t, hidden, last);
    },
  };
}

/** The head, where it is a bare product that the fused cross-entropy can take over. */
function plainHead(registry: ModelRegistry): SiteOf<'linear'> | null {
  for (const site of registry.sites.values()) {
    if (site.kind !== 'linear' || site.role !== 'head') continue;
    return site.biasHandle === null && !registry.wraps.has(siteKey(site)) ? site : null;
  }
  return null;
}
