import { tf } from '@tunesmith/core';

/**
 * Runs `task` with the tfjs backend of that name in use, and the one in use before restored after it.
 * `task` is synchronous: other code never sees the switch. The backend must have been initialised.
 */
export function withBackend<Result>(backendName: string, task: () => Result): Result {
  const before = tf.getBackend();
  if (before === backendName) return task();
  void tf.setBackend(backendName); // synchronous, though it returns a promise, once the backend is initialised
  try {
    return task();
  } finally {
    if (before) void tf.setBackend(before);
  }
}
