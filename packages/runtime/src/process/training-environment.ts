/**
 * The environment of a process that trains. ONNX Runtime's binding returns a copy of whatever a step updates (of full
 * fine-tuning's weights and moments, three times the model), each of them freed before the next step. glibc gives such
 * memory back to the kernel and takes it anew, page by page; told to keep it, it writes to the pages that it has.
 * Elsewhere than on glibc, and under a user's own settings, nothing changes.
 */
export function trainingEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return {
    GLIBC_TUNABLES: 'glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=1099511627776',
    ...environment,
  };
}
