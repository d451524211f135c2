import type { Backend, Executable, TensorStore } from '../program/backend.js';
import type { Program } from '../program/program.js';

/**
 * Compiled programs by name; beyond `most`, the least recently used is released. Each keeps the memory that its largest run took, in
 * which a program of another shape cannot compute.
 */
export interface ExecutableCache {
  /** A lasting program is needed whatever the shapes of batches, and takes none of their places. */
  get(program: Program, options?: { readonly lasting?: boolean }): Promise<Executable>;
  dispose(): Promise<void>;
}

export function createExecutableCache(backend: Backend, store: TensorStore, most = 8): ExecutableCache {
  const executables = new Map<string, Executable>();
  const lasting = new Map<string, Executable>();
  return {
    async get(program, options) {
      const { name } = program;
      if (options?.lasting === true) {
        const known = lasting.get(name) ?? (await backend.compile(program, store));
        lasting.set(name, known);
        return known;
      }
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
      for (const executable of [...executables.values(), ...lasting.values()]) await executable.dispose();
      executables.clear();
      lasting.clear();
    },
  };
}
