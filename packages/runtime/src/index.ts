export type { AdapterDescription, AdapterManifest } from './model/adapter-folder.js';
export { describeAdapter, loadAdapter, methodOfAdapter, saveAdapter } from './model/adapter-folder.js';
export type { OpenPoolOptions, PooledModel } from './model/adapter-pool.js';
export { addAdapterFolder, openAdapterPool } from './model/adapter-pool.js';
export type { BaseOptions } from './model/base-options.js';
export { chatPrompt } from './model/chat-prompt.js';
export type { Classification, ClassifyTextsOptions } from './model/classify-texts.js';
export { classifyTexts } from './model/classify-texts.js';
export type { CombineAdaptersOptions } from './model/combine-adapters.js';
export { combineAdapters } from './model/combine-adapters.js';
export type { Device, Engine, HubSettings, OnPhase, OnWarning } from './model/engine.js';
export type { EvaluateFilesOptions } from './model/evaluate-files.js';
export { evaluateFiles } from './model/evaluate-files.js';
export type { BatchPiece, GenerateTextOptions, TextGenerator, TextPiece } from './model/generate-text.js';
export { createTextGenerator } from './model/generate-text.js';
export type { FormOptions, LoadedModel, LoadModelOptions } from './model/load-model.js';
export { describeModel, loadModel } from './model/load-model.js';
export type { LocatedModel } from './model/locate-model.js';
export { locateModel } from './model/locate-model.js';
export type { LogitChange } from './model/merge-into-codes.js';
export { mergeIntoCodes } from './model/merge-into-codes.js';
export { type OpenBase, openBase } from './model/open-base.js';
export type { AdaptedModel, OpenModelOptions } from './model/open-model.js';
export { openModel } from './model/open-model.js';
export { probeBackend } from './model/probe-backend.js';
export type { SaveModelOptions } from './model/save-model.js';
export { saveModel } from './model/save-model.js';
export { resolveObjective } from './objective/resolve-objective.js';
export type { ObjectiveSettings, Objectives } from './objective/settings.js';
export { createObjective, headOf, labelScheme } from './objective/settings.js';
export type { PlannedBase, PlannedSaving } from './plan/plan-bases.js';
export type { PlannedSite, PlannedTime, PlanOptions, RunPlan } from './plan/plan-recipe.js';
export { planRecipe } from './plan/plan-recipe.js';
export type { Plugin } from './plugins/discover-plugins.js';
export { discoverPlugins } from './plugins/discover-plugins.js';
export { loadMethods, loadMethodsForPeft } from './plugins/load-methods.js';
export { loadObjectives } from './plugins/load-objectives.js';
export type { MethodLookup } from './plugins/load-offers.js';
export type { TrainingRequest } from './process/messages.js';
export { serveTraining } from './process/serve-training.js';
export { trainingEnvironment } from './process/training-environment.js';
export type { TrainingProcessOptions } from './process/training-process.js';
export { trainInProcess } from './process/training-process.js';
export { describeIssue } from './recipe/describe-issue.js';
export type { LoadedRecipe } from './recipe/load-recipe.js';
export { loadObjectiveOf, loadRecipe } from './recipe/load-recipe.js';
export type { RecipeSource } from './recipe/read-recipe.js';
export { methodNames, overrideRecipe, parseSettings, readRecipe } from './recipe/read-recipe.js';
export type { Recipe } from './recipe/recipe.js';
export {
  parseData,
  parseObjective,
  parseQuantization,
  parseRecipe,
  recipeDocument,
  recipeJsonSchema,
} from './recipe/recipe.js';
export type { RecipeKey } from './recipe/recipe-reference.js';
export { markdownTable, recipeReference } from './recipe/recipe-reference.js';
export type { RecipeInput } from './recipe/recipe-schema.js';
export { defineRecipe, recipeSchema } from './recipe/recipe-schema.js';
export type { MetricsLine } from './run/metrics-file.js';
export { readMetrics } from './run/metrics-file.js';
export { createRun, readRunRecipe, runPaths } from './run/run-folder.js';
export { runOwner } from './run/run-lock.js';
export { openTensorboardFile } from './run/tensorboard-file.js';
export type { RowOptions, RunData } from './train/open-data.js';
export { openData, rowOptions } from './train/open-data.js';
export { maxLengthOf, resolveRecipe } from './train/resolve-recipe.js';
export type { EvaluatedAt, LossAt, RunResult } from './train/run-result.js';
export type { TrainOptions } from './train/train.js';
export { continueRun, train } from './train/train.js';
