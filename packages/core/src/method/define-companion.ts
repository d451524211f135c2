import type { z } from 'zod';
import type { Model } from '../model/model.js';
import type { Handle } from '../parameters/handle.js';
import { defineMethod, type MethodDefinition, type MethodFactory } from './define-method.js';
import type { PatchHooks } from './hooks.js';
import { apiVersion, type Patcher } from './method.js';

export interface CompanionDefinition<Schema extends z.ZodObject>
  extends Pick<MethodDefinition<Schema>, 'name' | 'summary' | 'config'> {
  /** Declares its parameters, and says how they are trained. */
  patch(patcher: Patcher, config: z.output<Schema>): PatchHooks;
}

/**
 * What an objective trains of its own beside the methods of a run (`Objective.methods`), such as a head. It acts on no site: the model's own
 * outputs know nothing of it, and nothing of it is saved or merged.
 */
export function defineCompanion<Schema extends z.ZodObject>({
  patch,
  ...definition
}: CompanionDefinition<Schema>): MethodFactory<Schema> {
  return defineMethod({
    ...definition,
    apiVersion,
    capabilities: {
      mergeable: true,
      identityAtInit: true,
      trainsBase: false,
      quantizedBase: true,
      leavesNothing: true,
    },
    create: (config) => ({ patchModel: (patcher) => patch(patcher, config) }),
  });
}

/** A companion's parameter; undefined in a model without it. */
export function companionHandle(
  { handles }: Pick<Model, 'handles'>,
  { definition: { name } }: Pick<MethodFactory, 'definition'>,
  path: string,
): Handle | undefined {
  return handles.find((handle) => handle.owner === name && handle.path === path);
}

/** How wide the states are that the model's head reads, for a companion that reads them too. */
export function headFeatures({ model: { sites } }: Patcher): number {
  const head = sites.find(({ role }) => role === 'head');
  return head?.kind === 'linear' ? head.inFeatures : 0;
}
