import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Handle } from '../parameters/handle.js';
import type { TensorSource } from '../storage/stored-tensor.js';
import type { Family, Task, TaskHead, TaskModel } from './family.js';
import { type ModelRegistry, replaceByCopy, replacementKey } from './registry.js';

/** Who owns the copies of a head that is trained beside an adapter: no method, for each would do the same. */
const headOwner = 'head';

/** The owner of the copies beside an adapter, or beside the methods that always act. */
export function headOwnerOf(adapter: string | null): string {
  return adapter === null ? headOwner : `${adapter}/${headOwner}`;
}

/** Whether a head's copies are the owner's: those that are trained, or those that an adapter brings. */
export function isHeadOwner(owner: string): boolean {
  return owner === headOwner || owner.endsWith(`/${headOwner}`);
}

/** The head that a family is to build for a task. @throws CAPABILITY_MISSING, CONFIG_INVALID */
export function taskHead({ name, tasks = ['causal-lm'] }: Family, task: Task = tasks[0], labels?: number): TaskHead {
  if (!tasks.includes(task)) {
    throw new TunesmithError('CAPABILITY_MISSING', `the ${name} family has no head for ${task}`, {
      expected: tasks.join(', '),
      got: task,
    });
  }
  if (task === 'question-answering') return { task, labels: 2 };
  if (task !== 'sequence-classification' && task !== 'token-classification') return { task, labels: 0 };
  if (labels !== undefined && Number.isInteger(labels) && labels > 0) return { task, labels };
  throw new TunesmithError('CONFIG_INVALID', 'a classifier needs to know how many labels it gives logits for', {
    where: 'labels',
    expected: 'a whole number above 0',
    got: labels === undefined ? 'nothing' : String(labels),
  });
}

/** The names under which a checkpoint may hold a base weight, the first that is there counts. */
export function checkpointNames(
  { weightAliases, baseModelPrefix }: Pick<Family, 'weightAliases' | 'baseModelPrefix'>,
  { path }: Pick<Handle, 'path'>,
): readonly string[] {
  return [...new Set([path, ...(weightAliases?.(path) ?? []), bareName({ baseModelPrefix }, path)])];
}

/** A path as the model without a head has it: transformers' class of that has no module around it. */
export function bareName({ baseModelPrefix }: { readonly baseModelPrefix?: string | undefined }, path: string): string {
  return baseModelPrefix !== undefined && path.startsWith(`${baseModelPrefix}.`)
    ? path.slice(baseModelPrefix.length + 1)
    : path;
}

/**
 * The modules of a head that have to be trained whatever else is, by PEFT's names: those that PEFT always trains, and
 * those that the checkpoint lacks, since what starts at random must be learnt.
 */
export function headModulesOf(
  registry: ModelRegistry,
  family: Family,
  { headModule }: TaskModel,
  checkpoint: TensorSource | undefined,
): readonly string[] {
  const modules = new Set(headModule === undefined ? [] : [headModule]);
  for (const handle of registry.handles.values()) {
    if (handle.init === undefined) continue;
    const saved = headModule === undefined ? undefined : moduleEndingIn(headModule, handle.path);
    if (saved !== undefined) modules.add(saved);
    if (saved !== undefined || checkpoint === undefined) continue;
    const isThere = checkpointNames(family, handle).some((name) => checkpoint.get(name) !== undefined);
    if (!isThere) modules.add(handle.path.slice(0, handle.path.lastIndexOf('.')));
  }
  return [...modules];
}

/**
 * The outermost module around a weight whose name ends as PEFT's list has it, be that in the middle of a word: a
 * `pre_classifier` goes with `classifier` (peft/utils/other.py, `_set_trainable`).
 */
function moduleEndingIn(name: string, path: string): string | undefined {
  const parts = path.split('.').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('.')).find((module) => module.endsWith(name));
}

/**
 * Trains what no method does of the head's modules, as PEFT's `modules_to_save` are: as copies that an adapter file
 * holds, so that the checkpoint's own stay as they are. Each adapter beside others brings its own.
 */
export function trainHead(registry: ModelRegistry, adapter: string | null): void {
  const left = [...registry.handles.values()].filter(
    ({ key, path, owner, init }) =>
      owner === 'base' &&
      init !== undefined &&
      registry.headModules.some((module) => isInside(path, module)) &&
      !registry.replacements.has(replacementKey({ key }, adapter)),
  );
  const owner = headOwnerOf(adapter);
  for (const handle of left) replaceByCopy(registry, { owner, adapter }, handle);
}

export function isInside(path: string, module: string): boolean {
  return path === module || path.startsWith(`${module}.`);
}

/** A model without the head that is asked for. */
export function noHead(task: Task, wanted: string): TunesmithError {
  return new TunesmithError('CAPABILITY_MISSING', `a model built for ${task} gives no ${wanted}`, {
    hint: 'Build it for the task that the objective names.',
  });
}
