import { resolve } from 'node:path';
import { didYouMean, TunesmithError } from '@tunesmith/core';
import { describeIssue } from '../recipe/describe-issue.js';
import type { RecipeSource } from '../recipe/read-recipe.js';
import { type GateSettings, type GenerateSettings, type MeasureSettings, sequenceSchema } from './sequence-schema.js';
import { taskRecipe } from './task-recipe.js';

/** A task's model, where it begins with one of its own. */
export interface OwnModel {
  /** What is laid over the sequence's `model`. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly layers: number | readonly number[] | null;
}

/** A task of a sequence, its files by absolute paths, and the tasks that it names by their indices. */
export interface SequenceTask {
  readonly name: string;
  readonly train: readonly string[];
  readonly validation: readonly string[];
  /** Null where it begins with what the one before left. */
  readonly model: OwnModel | null;
  /** Which of the earlier tasks left the reward model of this one. */
  readonly rewardModel: number | null;
  /** Which of them left the teacher that its objective names. */
  readonly teacher: number | null;
  /** The rows that an earlier task's model writes for it. */
  readonly generate: (Omit<GenerateSettings, 'by' | 'prompts'> & { by: number; prompts: readonly string[] }) | null;
  readonly gate: (Omit<GateSettings, 'betterThan'> & { betterThan: number | null }) | null;
  /** Whether it says an objective of its own, so that its loss is no other task's. */
  readonly hasObjective: boolean;
  /** What else of a recipe it says. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What a task's run begins with, of what earlier runs left. */
export interface TaskStart {
  /** The model's folder; that of the recipe if absent. */
  readonly model?: string | undefined;
  readonly rewardModel?: string | undefined;
  readonly teacher?: string | undefined;
}

/** A recipe for each of several tasks that are learnt one after another. */
export interface Sequence {
  readonly tasks: readonly SequenceTask[];
  /** How the tasks are compared; null where they are not. */
  readonly measure: MeasureSettings | null;
  /** Whether what each task makes the model forget can be measured: all have one objective, and one model goes on from task to task. */
  readonly hasMatrix: boolean;
  /** The recipe of a task that is trained in the last of these folders, each a task's. */
  recipeOf(folders: readonly string[], start?: TaskStart): RecipeSource;
}

/** What is said once, of all tasks. */
const sharedKeys = ['version', 'output', 'plugins', 'device', 'tasks', 'carryOn', 'measure'];

/**
 * Divides a sequence file: a recipe with a list of `tasks` in place of `data.train` and `data.validation`. What else of a recipe a task
 * says is laid over the whole's. A task has those before it that learn by the same objective for its `data.earlier`, as far back as its
 * model has learnt them, or with `carryOn` the last of them, whose run it is told of; a reward model is held to the pairs that it was
 * measured on, unless `gateData` names others.
 * @throws CONFIG_INVALID
 */
export function readSequence({ value, where }: RecipeSource, folder: string): Sequence {
  const { tasks: listed, carryOn, measure, ...recipe } = value;
  const invalid = (problem: string, expected?: string): TunesmithError =>
    new TunesmithError('CONFIG_INVALID', problem, { where, ...(expected === undefined ? {} : { expected }) });
  const parsed = sequenceSchema.safeParse({ tasks: listed, carryOn, measure }, { reportInput: true });
  if (!parsed.success) {
    throw invalid(parsed.error.issues.flatMap((issue) => describeIssue(issue, sequenceSchema)).join('; '));
  }
  const { tasks: said, carryOn: carries, measure: measured } = parsed.data;
  const absolute = (path: string | readonly string[]): string[] => [path].flat().map((each) => resolve(folder, each));
  const names = said.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`the task "${twice}" is named twice`);

  const tasks = said.map((task, index): SequenceTask => {
    const { name, train = [], validation, model, generate, gate, rewardModel, ...settings } = task;
    const shared = Object.keys(settings).find((key) => sharedKeys.includes(key));
    if (shared !== undefined) {
      throw invalid(`the task "${name}" says "${shared}", which is said once, beside the tasks`);
    }
    const earlier = (named: string, what: string): number => {
      const found = names.indexOf(named);
      if (found !== -1 && found < index) return found;
      const isLater = found === -1 ? '' : found === index ? ', which it is itself' : ', which comes later';
      const known = index === 0 ? 'none is' : names.slice(0, index).join(', ');
      throw new TunesmithError('CONFIG_INVALID', `the task "${name}" has its ${what} from "${named}"${isLater}`, {
        ...{ where, expected: `an earlier task: ${known}` },
        ...(found === -1 && index > 0 ? { hint: didYouMean(named, names.slice(0, index)) } : {}),
      });
    };
    const teacher = teacherOf(settings.objective);
    const { layers = null, ...own } = model ?? {};
    return {
      ...{ name, train: absolute(train), validation: absolute(validation), settings },
      model: model === undefined ? null : { settings: own, layers },
      rewardModel: rewardModel === undefined ? null : earlier(rewardModel, 'reward model'),
      // What is no task's name is a folder's path.
      teacher: teacher === undefined || !names.includes(teacher) ? null : earlier(teacher, 'teacher'),
      generate: generate
        ? { ...generate, by: earlier(generate.by, 'generated rows'), prompts: absolute(generate.prompts) }
        : null,
      gate: gate
        ? { ...gate, betterThan: gate.betterThan === undefined ? null : earlier(gate.betterThan, 'gate') }
        : null,
      hasObjective: settings.objective !== undefined,
    };
  });

  const gated = tasks.find(({ gate }) => gate !== null);
  if (gated !== undefined && measured === undefined) {
    throw invalid(`the task "${gated.name}" has a gate`, '`measure` beside the tasks, which says what quality is');
  }
  if (carries && tasks.some(({ hasObjective }) => hasObjective)) {
    throw invalid(
      'a task has an objective of its own',
      'one objective for all, as `carryOn` goes on from task to task',
    );
  }
  if (carries && tasks.some(({ model }) => model !== null)) {
    throw invalid('a task has a model of its own', 'one model for all, as `carryOn` goes on from task to task');
  }
  return {
    tasks,
    measure: measured === undefined ? null : { ...measured, data: absolute(measured.data) },
    hasMatrix: !tasks.some(({ hasObjective, model }) => hasObjective || model !== null),
    recipeOf: (folders, start = {}) => taskRecipe({ recipe, where, folder, tasks, carries }, folders, start),
  };
}

function teacherOf(objective: unknown): string | undefined {
  const { teacher } = (typeof objective === 'object' && objective !== null ? objective : {}) as { teacher?: unknown };
  return typeof teacher === 'string' ? teacher : undefined;
}
