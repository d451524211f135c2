import type { Backend, HostTensor, Named } from '@tunesmith/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { hostTensor } from './host-tensors.js';
import { caseProgram, drawValues, type OpCase } from './op-case.js';
import { opCases } from './op-case-table.js';
import { referenceOutputs } from './reference.js';

/** Runs the table of ops on a backend and on the reference. */
export function describeOps(
  createBackend: () => Promise<Backend>,
  tolerances: Readonly<Record<string, number>>,
  lacks: Readonly<Record<string, string>>,
  differs: Readonly<Record<string, string>>,
): void {
  describe('ops', () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await createBackend();
    });

    it('have names of their own, and exceptions are in the table', () => {
      const names = opCases.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      for (const name of Object.keys({ ...lacks, ...differs })) expect(names).toContain(name);
      for (const op of Object.keys(tolerances)) expect(opCases.map(opOf)).toContain(op);
    });

    it.each(opCases)('$name', async (opCase) => {
      const inputs = inputsOf(opCase);
      const program = caseProgram(opCase);
      const running = runOnce(backend, program, inputs);
      if (lacks[opCase.name] !== undefined) {
        await expect(running).rejects.toMatchObject({ code: 'OP_UNSUPPORTED' });
        return;
      }
      const actual = await running;
      const expected = await referenceOutputs(program, inputs);
      expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
      for (const [name, tensor] of Object.entries(expected)) {
        const leeway = differs[opCase.name] === undefined ? (tolerances[opOf(opCase)] ?? 1) : Number.POSITIVE_INFINITY;
        expectClose(name, actual[name]!, tensor, opCase, leeway);
      }
    });
  });
}

/** `rotary` of `rotary, equal positions [2,3] [3]`. */
function opOf({ name }: OpCase): string {
  return /^[^ ,]+/.exec(name)?.[0] ?? name;
}

function inputsOf({ name, inputs }: OpCase): Named<HostTensor> {
  const drawn = inputs.map((input, index) =>
    hostTensor(input, drawValues(`${name} ${index}`, input.shape, input.draw)),
  );
  return Object.fromEntries(drawn.map((tensor, index) => [`${index}`, tensor]));
}

async function runOnce(
  backend: Backend,
  program: ReturnType<typeof caseProgram>,
  inputs: Named<HostTensor>,
): Promise<Named<HostTensor>> {
  const store = backend.createStore();
  const executable = await backend.compile(program, store);
  try {
    return await executable.run(inputs);
  } finally {
    await executable.dispose();
    store.dispose();
  }
}

function expectClose(
  name: string,
  actual: HostTensor,
  expected: HostTensor,
  { tolerance }: OpCase,
  scale: number,
): void {
  expect([name, actual.dtype, ...actual.shape]).toEqual([name, expected.dtype, ...expected.shape]);
  if (scale === Number.POSITIVE_INFINITY) return;
  if (expected.dtype !== 'float32') {
    expect([...actual.data]).toEqual([...expected.data]);
    return;
  }
  let largest = 1;
  let furthest = 0;
  for (const [index, value] of expected.data.entries()) {
    const other = actual.data[index]!;
    if (!Number.isFinite(value) || !Number.isFinite(other)) {
      expect(other, `${name}[${index}]`).toBe(value);
      continue;
    }
    largest = Math.max(largest, Math.abs(value));
    furthest = Math.max(furthest, Math.abs(value - other));
  }
  expect(furthest / largest, name).toBeLessThanOrEqual(tolerance * scale);
}
