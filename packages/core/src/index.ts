export { didYouMean, nearestNames } from './errors/nearest-names.js';
export type { ErrorCode, ErrorDetails } from './errors/tunesmith-error.js';
export { TunesmithError } from './errors/tunesmith-error.js';
export { tf } from './tensor/tfjs.js';
