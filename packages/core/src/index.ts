export { didYouMean, nearestNames } from './errors/nearest-names.js';
export type { ErrorCode, ErrorDetails } from './errors/tunesmith-error.js';
export { TunesmithError } from './errors/tunesmith-error.js';
export { tf } from './tensor/tfjs.js';
export type { Row } from './objective/row.js';
export type { StoredDtype, StoredTensor, TensorSource } from './storage/stored-tensor.js';
