export type { Advice, Limits } from './advise/advise.js';
export { advise } from './advise/advise.js';
export { paretoPicture } from './chart/pareto-picture.js';
export { rasterise } from './chart/render-chart.js';
export type { Difference } from './compare/bootstrap.js';
export type { Change, Comparison } from './compare/compare-results.js';
export { compareResults } from './compare/compare-results.js';
export { deviceMemory } from './measure/device-memory.js';
export type { Board, Separation, Verdict } from './report/board.js';
export { verdictOf } from './report/board.js';
export { formatSpread, formatValue } from './report/format-value.js';
export type { GivenReport, GivenRow } from './report/given-report.js';
export { givenReport } from './report/given-report.js';
export { reportHtml } from './report/html.js';
export { reportMarkdown } from './report/markdown.js';
export type { Unit } from './report/measures.js';
export type { Report, ReportOptions, ReportWords } from './report/report.js';
export { createReport } from './report/report.js';
export type { Spread } from './report/spread.js';
export type { CellSummary, Prices } from './report/summarise.js';
export { doubtfulTasks, taskTable } from './report/task-table.js';
export type { RunSuiteOptions, SuiteRun } from './runner/run-suite.js';
export { runSuite } from './runner/run-suite.js';
export type { TrialEvent } from './runner/trial-runner.js';
export { importPeftResult, readPeftResults } from './store/peft-results.js';
export type { PeftResult, TrialResult } from './store/result-file.js';
export type { ResultStore } from './store/result-store.js';
export { openResultStore } from './store/result-store.js';
export type { Cell, Shard } from './suite/cells.js';
export { cellName, parseShard } from './suite/cells.js';
export { readSuite } from './suite/read-suite.js';
export type { Suite, SuiteInput } from './suite/suite-schema.js';
export { suiteSchema } from './suite/suite-schema.js';
export { hubTasks } from './task/hub-tasks.js';
export { openNpmPackage } from './task/npm-package.js';
export { offlineTasks } from './task/offline-tasks.js';
export type {
  HubDataset,
  NpmPackage,
  PreparedTask,
  TaskDefinition,
  TaskMetric,
  TaskRow,
  TaskSplits,
  TaskTools,
} from './task/task.js';
