export { serveTrial } from './trial/serve-trial.js';
export type { TrialPlace, TrialRequest } from './trial/trial-request.js';
