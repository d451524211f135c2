import { describe, expect, it } from 'vitest';
import type { Backend, TensorStore } from '../program/backend.js';
import type { Program } from '../program/program.js';
import { createExecutableCache } from './executable-cache.js';

function record() {
  const log: string[] = [];
  const compile: Backend['compile'] = async ({ name }) => {
    log.push(`+${name}`);
    return { info: {}, run: async () => ({}), dispose: async () => void log.push(`-${name}`) };
  };
  return { log, backend: { compile } as Backend };
}

const program = (name: string): Program => ({ name, inputs: {}, body: () => ({ outputs: {}, updates: {} }) });

describe('an executable cache', () => {
  it('releases what was used longest ago, and never what lasts', async () => {
    const { log, backend } = record();
    const cache = createExecutableCache(backend, {} as TensorStore, 2);
    for (const name of ['a', 'b', 'a', 'c', 'a']) {
      await cache.get(program(name));
      await cache.get(program('apply'), { lasting: true });
    }
    expect(log).toEqual(['+a', '+apply', '+b', '+c', '-b']);
    await cache.dispose();
    expect(log.slice(5).sort()).toEqual(['-a', '-apply', '-c']);
  });
});
