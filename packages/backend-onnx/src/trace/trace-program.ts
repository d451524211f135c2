import {
  didYouMean,
  type Named,
  type NoiseScope,
  type Program,
  type ProgramIO,
  refuseMissingKernels,
  type Shape,
  type Tensor,
  type TensorSpec,
  TunesmithError,
  tf,
} from '@tunesmith/core';
import type { OpTable } from '../lower/op-rule.js';
import { describeSpec, type Origin, type TracedProgram, type Value } from './graph.js';
import { liveNodes } from './live-nodes.js';
import { Recorder } from './recorder.js';
import { type TracingBackend, tracingBackend, tracingBackendName } from './tracing-backend.js';
import { unsupported } from './unsupported.js';

/** What `read` may name, with the types that programs see. */
export type StoredSpecs = ReadonlyMap<string, TensorSpec>;

/**
 * Runs a program's body once under the tracing backend and returns the calls that its results depend on.
 * The backend that was active before is active again afterwards, and no tensor outlives the trace.
 */
export function traceProgram(program: Program, stored: StoredSpecs, rules: OpTable): TracedProgram {
  const backend = tracingBackend();
  const recorder = new Recorder(rules);
  const restore = activate();
  try {
    return backend.recording(recorder, () =>
      inScope(program.name, () => {
        const io = new TracingIO(program, stored, backend, recorder);
        const refusal = (kernel: string, operands: readonly TensorSpec[]) =>
          unsupported(`knows no kernel ${kernel}`, operands, 'Define it with defineOp, so that it can run composed.');
        const { outputs, updates = {} } = refuseMissingKernels(refusal, () => program.body(io));
        const values = (tensors: Named<Tensor>) =>
          Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, backend.traced(tensor as never)]));
        const traced = { outputs: values(outputs), updates: values(updates) };
        checkUpdates(traced.updates, stored, program.name);
        const roots = [...Object.values(traced.outputs), ...Object.values(traced.updates)];
        return { name: program.name, nodes: liveNodes(recorder.nodes, roots), ...traced };
      }),
    );
  } finally {
    restore();
  }
}

/** Makes the tracing backend the active one, and returns what undoes it. */
function activate(): () => void {
  const engine = tf.engine() as unknown as { backendName: string | null | undefined; backendInstance: unknown };
  const previous = engine.backendName;
  // Both backends are initialised, so that setBackend does its work before it returns its promise.
  void tf.setBackend(tracingBackendName);
  return () => {
    if (previous != null) {
      void tf.setBackend(previous);
    } else {
      engine.backendName = null;
      engine.backendInstance = null;
    }
  };
}

/** Disposes what `work` leaves, also what a gradient's tape keeps when its function throws. */
function inScope<Result>(name: string, work: () => Result): Result {
  const engine = tf.engine();
  const state = engine.state as unknown as { activeTape: { saved?: Tensor[] }[] | null };
  const outerTape = state.activeTape;
  engine.startScope(name);
  try {
    return work();
  } catch (error) {
    const tape = state.activeTape === outerTape ? [] : (state.activeTape ?? []);
    for (const { saved = [] } of tape) for (const tensor of saved) tensor.dispose();
    state.activeTape = outerTape;
    throw error;
  } finally {
    engine.endScope();
  }
}

class TracingIO implements ProgramIO {
  readonly #program: Program;
  readonly #stored: StoredSpecs;
  readonly #backend: TracingBackend;
  readonly #recorder: Recorder;
  readonly #values = new Map<string, Value>();

  constructor(program: Program, stored: StoredSpecs, backend: TracingBackend, recorder: Recorder) {
    this.#program = program;
    this.#stored = stored;
    this.#backend = backend;
    this.#recorder = recorder;
  }

  input(name: string): Tensor {
    const spec = this.#program.inputs[name];
    if (spec === undefined)
      throw unknownName(
        `program ${this.#program.name} has no input "${name}"`,
        name,
        Object.keys(this.#program.inputs),
      );
    return this.#tensor(`input ${name}`, spec, { kind: 'input', name });
  }

  read(name: string): Tensor {
    const spec = this.#stored.get(name);
    if (spec === undefined) throw unknownName(`the store holds no tensor "${name}"`, name, [...this.#stored.keys()]);
    return this.#tensor(`stored ${name}`, spec, { kind: 'stored', name });
  }

  keepMask(site: string, shape: Shape, rate: number): Tensor {
    return this.#tensor(`mask ${site}`, { shape, dtype: 'bool' }, { kind: 'keepMask', site, rate });
  }

  uniform(site: string, shape: Shape, scope: NoiseScope): Tensor {
    return this.#tensor(`noise ${site}`, { shape, dtype: 'float32' }, { kind: 'uniform', site, scope });
  }

  /** One value for each name, however often it is asked for. */
  #tensor(key: string, spec: TensorSpec, origin: Origin): Tensor {
    const value = this.#values.get(key) ?? this.#recorder.value(spec, origin);
    this.#values.set(key, value);
    checkSameDraw(value, spec, origin);
    return tf.engine().makeTensorFromTensorInfo(this.#backend.tensorInfo(value) as never);
  }
}

function checkSameDraw(value: Value, spec: TensorSpec, origin: Origin): void {
  if (origin.kind === 'uniform' && value.origin.kind === 'uniform') {
    if (describeSpec(value) === describeSpec(spec) && value.origin.scope === origin.scope) return;
    throw new TunesmithError('SHAPE_MISMATCH', 'one name is given to two different draws of noise', {
      where: origin.site,
      expected: `${describeSpec(value)} of a ${value.origin.scope}`,
      got: `${describeSpec(spec)} of a ${origin.scope}`,
      hint: 'Give each draw a name of its own.',
    });
  }
  if (origin.kind !== 'keepMask' || value.origin.kind !== 'keepMask') return;
  if (describeSpec(value) === describeSpec(spec) && value.origin.rate === origin.rate) return;
  throw new TunesmithError('SHAPE_MISMATCH', 'a site draws two different dropout masks', {
    where: origin.site,
    expected: `${describeSpec(value)} at rate ${value.origin.rate}`,
    got: `${describeSpec(spec)} at rate ${origin.rate}`,
    hint: 'Give each draw a name of its own.',
  });
}

function checkUpdates(updates: Readonly<Named<Value>>, stored: StoredSpecs, program: string): void {
  for (const [name, value] of Object.entries(updates)) {
    const spec = stored.get(name);
    if (spec === undefined) {
      throw unknownName(`program ${program} updates "${name}", which the store does not hold`, name, [
        ...stored.keys(),
      ]);
    }
    if (describeSpec(value) !== describeSpec(spec)) {
      throw new TunesmithError('SHAPE_MISMATCH', `program ${program} updates a tensor to another type`, {
        where: name,
        expected: describeSpec(spec),
        got: describeSpec(value),
      });
    }
  }
}

function unknownName(what: string, name: string, known: readonly string[]): TunesmithError {
  return new TunesmithError('NAME_UNKNOWN', what, { hint: didYouMean(name, [...known]) ?? '' });
}
