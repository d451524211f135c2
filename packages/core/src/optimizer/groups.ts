import type { Handle } from '../parameters/handle.js';

/** Parameters that share a learning rate, a weight decay and a way of clipping. */
export interface ParameterGroup {
  readonly match: (handle: Handle) => boolean;
  /** Factor on the learning rate; 1 if not said. */
  readonly scale?: number;
  /** A peak rate of its own, in place of the trainer's; the schedule applies to it alike. */
  readonly learningRate?: number;
  /** Overrides the optimizer's decay for the group's parameters. */
  readonly decay?: number;
  /** Clipped by a norm of its own under this name, rather than by the norm of everything else. */
  readonly clip?: string;
}

/** How a group's parameters are updated. */
export interface GroupSettings {
  readonly scale: number;
  /** Null for the trainer's. */
  readonly learningRate: number | null;
  readonly decay: number;
  /** Which norm clips it; empty for the one that most parameters share. */
  readonly clip: string;
  /** Updates of the run before its parameters were trained: an optimizer counts from there. */
  readonly since: number;
  /** How the optimizer keeps its parameters' state. */
  readonly form: string;
}

export interface GroupedHandles extends GroupSettings {
  readonly handles: readonly Handle[];
}

/**
 * Divides handles among groups, the first that matches winning. Handles without a group get scale 1 and the default
 * decay; a handle that doesn't decay (norms, biases), in a group that says nothing of decay, gets none.
 */
export function groupHandles(
  handles: readonly Handle[],
  groups: readonly ParameterGroup[],
  defaultDecay: number,
  since: ReadonlyMap<string, number> = new Map(),
  formOf: (handle: Handle) => string = () => '',
): GroupedHandles[] {
  const divided = new Map<string, GroupSettings & { handles: Handle[] }>();
  for (const handle of handles) {
    const group = groups.find(({ match }) => match(handle));
    const settings: GroupSettings = {
      scale: group?.scale ?? 1,
      learningRate: group?.learningRate ?? null,
      decay: group?.decay ?? (handle.decay ? defaultDecay : 0),
      clip: group?.clip ?? '',
      since: since.get(handle.key) ?? 0,
      form: formOf(handle),
    };
    const key = JSON.stringify(settings);
    const entry = divided.get(key) ?? { ...settings, handles: [] };
    entry.handles.push(handle);
    divided.set(key, entry);
  }
  return [...divided.values()];
}
