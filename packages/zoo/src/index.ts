export { modelFacts } from './model-facts.js';
export { modelPath, ownDomainFile, quickstartFiles } from './zoo-files.js';
