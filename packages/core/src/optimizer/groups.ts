import type { Handle } from '../parameters/handle.js';

/** Parameters that share a learning-rate scale and a weight decay. */
export interface ParameterGroup {
  readonly match: (handle: Handle) => boolean;
  /** Factor on the schedule's rate; 1 if not said. */
  readonly scale?: number;
  /** Overrides the optimizer's decay for the group's parameters. */
  readonly decay?: number;
}

export interface GroupedHandles {
  readonly handles: readonly Handle[];
  readonly scale: number;
  readonly decay: number;
}

/**
 * Divides handles among groups, the first that matches winning. Handles without a group get scale 1 and the default
 * decay; a handle that doesn't decay (norms, biases), in a group that says nothing of decay, gets none.
 */
export function groupHandles(
  handles: readonly Handle[],
  groups: readonly ParameterGroup[],
  defaultDecay: number,
): GroupedHandles[] {
  const divided = new Map<string, { handles: Handle[]; scale: number; decay: number }>();
  for (const handle of handles) {
    const group = groups.find(({ match }) => match(handle));
    const scale = group?.scale ?? 1;
    const decay = group?.decay ?? (handle.decay ? defaultDecay : 0);
    const key = `${scale} ${decay}`;
    const entry = divided.get(key) ?? { handles: [], scale, decay };
    entry.handles.push(handle);
    divided.set(key, entry);
  }
  return [...divided.values()];
}
