export { modelFacts } from './model-facts.js';
export { modelPath, quickstartFiles } from './zoo-files.js';
