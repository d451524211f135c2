import type { Backend, Executable, TensorStore } from '../program/backend.js';
import type { Program } from '../program/program.js';

/** Compiled programs by name; beyond `most`, the least recently used is released. */
export interface ExecutableCache {
  get(program: Program): Promise<Executable>;
  dispose(): Promise<void>;
}

export function createExecutableCache(backend: Backend, store: TensorStore, most = 8): ExecutableCache {
  const executables = new Map<string, Executable>();
  return {
    async get(program) {
      const { name } = program;
      const found = executables.get(name) ?? (await backend.compile(program, store));
      executables.delete(name);
      executables.set(name, found);
      for (const [oldest, executable] of executables) {
        if (executables.size <= most) break;
        executables.delete(oldest);
        await executable.dispose();
      }
      return found;
    },
    async dispose() {
      for (const executable of executables.values()) await executable.dispose();
      executables.clear();
    },
  };
}
