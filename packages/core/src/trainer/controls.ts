import type { Clock, Control } from '../method/hooks.js';
import type { Model } from '../model/model.js';
import type { Objective } from '../objective/objective.js';
import { mapNamed } from '../optimizer/transformation.js';
import type { HostTensor } from '../program/backend.js';
import type { TensorSpec } from '../program/program.js';
import type { Json } from '../storage/json.js';
import type { Named } from '../tensor/tfjs.js';
import type { StepEvent } from './ports.js';
import { inputNames } from './program-names.js';

/** Controls by the names of their inputs. */
export type Controls = Readonly<Named<Control>>;

/** Those of all methods, which whatever applies gradients reads. */
export function methodControls({ model }: { readonly model: Pick<Model, 'hooks'> }): Controls {
  return Object.fromEntries(
    model.hooks.flatMap(({ method, hooks }) =>
      Object.entries(hooks.controls ?? {}).map(([name, control]) => [inputNames.control(method, name), control]),
    ),
  );
}

/** Those of the objective, which the forward pass reads. */
export function objectiveControls({ objective }: { readonly objective: Objective }): Controls {
  return Object.fromEntries(
    Object.entries(objective.controls ?? {}).map(([name, control]) => [inputNames.objectiveControl(name), control]),
  );
}

export function controlSpecs(controls: Controls): Named<TensorSpec> {
  return mapNamed(controls, ({ shape }) => ({ shape, dtype: 'float32' as const }));
}

/** Every control's value at a step. */
export function inputsOf(controls: Controls, clock: Clock, memories: Named<Json>): Named<HostTensor> {
  return mapNamed(controls, ({ shape, value }, name): HostTensor => {
    const values = value(clock, memories[name] ?? null);
    return { dtype: 'float32', shape, data: Float32Array.from(typeof values === 'number' ? [values] : values) };
  });
}

/** What controls remember after a step. */
export function memoriesAfter(controls: Controls, memories: Named<Json>, seen: StepEvent): Named<Json> {
  const remembering = Object.entries(controls).flatMap(([name, { next }]): [string, Json][] =>
    next === undefined ? [] : [[name, next(memories[name] ?? null, seen)]],
  );
  return { ...memories, ...Object.fromEntries(remembering) };
}
