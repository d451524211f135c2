import { expect, it } from 'vitest';
import type { Tensor } from '../tensor/tfjs.js';
import { readByBlock } from './derived.js';
import { addDerived, addMethodHandle, createRegistry } from './registry.js';
import { createTrace, type Trace } from './trace.js';

const nothing = { mask: undefined, positions: undefined };
const spec = { shape: [1], init: () => new Float32Array(1) };
const tensor = (name: string): Tensor => ({ name }) as unknown as Tensor;

function setUp() {
  const registry = createRegistry();
  const source = addMethodHandle(
    registry,
    { owner: 'some', adapter: null, path: 'value.source', kind: 'parameter', depth: null },
    spec,
  );
  registry.onlyDerivedFrom.add(source.key);
  let made = 0;
  const derived = addDerived(registry, 'some', 'value', (t: Trace) => {
    made++;
    return t.value(source);
  });
  const t = createTrace({} as never, { training: true, read: ({ path }) => tensor(path) });
  return { registry, source, derived, t, made: () => made };
}

it('is computed once a run, from what it alone reads', () => {
  const { registry, derived, t, made } = setUp();
  expect(t.value(derived)).toEqual({ name: 'value.source' });
  expect(t.value(derived)).toBe(t.value(derived));
  expect(made()).toBe(1);
  expect(readByBlock(registry, 'model.layers.0')).toEqual([derived]);
});

it('crosses into a recomputed block as what was given, never by itself', () => {
  const { registry, derived, t } = setUp();
  t.value(derived);
  const block = t.repeatable(
    () => t.value(derived),
    (key) => registry.derived.has(key),
  );
  const given = tensor('given');
  expect(block({ values: new Map([[derived.key, given]]), ...nothing })).toBe(given);
  expect(() => block({ values: new Map(), ...nothing })).toThrow('gradient would be lost');
  expect(t.value(derived)).toEqual({ name: 'value.source' });
});

it('draws no dropout, having no rows', () => {
  const { registry, t } = setUp();
  const dropped = addDerived(registry, 'some', 'dropped', (trace) => trace.dropout(tensor('x'), 0.5));
  expect(() => t.value(dropped)).toThrow('no rows');
});
