export type { RunSuiteOptions, SuiteRun } from './runner/run-suite.js';
export { runSuite } from './runner/run-suite.js';
export type { TrialEvent } from './runner/trial-runner.js';
export type { TrialResult } from './store/result-file.js';
export type { ResultStore } from './store/result-store.js';
export { openResultStore } from './store/result-store.js';
export type { Cell, Shard } from './suite/cells.js';
export { cellName, parseShard } from './suite/cells.js';
export { readSuite } from './suite/read-suite.js';
export type { Suite, SuiteInput } from './suite/suite-schema.js';
export { suiteSchema } from './suite/suite-schema.js';
export { openNpmPackage } from './task/npm-package.js';
export { offlineTasks } from './task/offline-tasks.js';
export type {
  NpmPackage,
  PreparedTask,
  TaskDefinition,
  TaskMetric,
  TaskRow,
  TaskSplits,
  TaskTools,
} from './task/task.js';
