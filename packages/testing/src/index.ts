export type { DescribeBackendOptions } from './backend/describe-backend.js';
export { describeBackend } from './backend/describe-backend.js';
export type { DescribeFamilyOptions } from './family/describe-family.js';
export { describeFamily } from './family/describe-family.js';
export type { Disturbance, FamilyCase, FamilyFixture } from './family/family-case.js';
export {
  reversedKeyHeads,
  shiftedRows,
  withConfig,
  withEpsilon,
  withoutBiases,
  withoutFuture,
  withoutNorm,
  withoutSourceMask,
} from './family/family-case.js';
export type { DescribeMethodOptions, MethodCase } from './method/describe-method.js';
export { describeMethod } from './method/describe-method.js';
export { relativeError } from './method/measure.js';
export type { TinyModel, TinyModelCase, TinyTrainerOptions } from './method/tiny-run.js';
export { rowSource, tinyModel, tinyRows, tinyTrainer, trainTiny } from './method/tiny-run.js';
