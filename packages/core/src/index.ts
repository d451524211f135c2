export { didYouMean, nearestNames } from './errors/nearest-names.js';
export type { ErrorCode, ErrorDetails } from './errors/tunesmith-error.js';
export { TunesmithError } from './errors/tunesmith-error.js';
export type { EstimateOptions, TrainingDryRun, TrainingEstimate } from './estimate/estimate-training.js';
export { estimateTraining, startTrainingDryRun } from './estimate/estimate-training.js';
export { matmulRate } from './estimate/matmul-rate.js';
export type { AdapterChoice, AdapterPlaces, PlacedAdapters } from './generate/row-adapters.js';
export type { Sampling } from './generate/sampling.js';
export { drawToken, samplingSchema } from './generate/sampling.js';
export type {
  GenerateOptions,
  GenerationStep,
  TokenGenerator,
  TokenGeneratorOptions,
} from './generate/token-generator.js';
export { createTokenGenerator, generationSchema } from './generate/token-generator.js';
export { exportAdapter, importAdapter, peftName } from './method/adapter.js';
export type {
  Adapter,
  AdapterFormat,
  AdapterHost,
  AdapterTensor,
  CombinedAdapter,
  WeightedAdapter,
} from './method/adapter-file.js';
export type { CompanionDefinition } from './method/define-companion.js';
export { companionHandle, defineCompanion, headFeatures } from './method/define-companion.js';
export type { ConfiguredMethod, MethodDefaults, MethodDefinition, MethodFactory } from './method/define-method.js';
export { defineMethod, parseConfig } from './method/define-method.js';
export type {
  AfterUpdateTrace,
  Clock,
  Control,
  FoldTrace,
  GradientTrace,
  HandleValues,
  PatchHooks,
  UpdateTrace,
} from './method/hooks.js';
export type { Merged, MergeOptions } from './method/merge.js';
export { canMerge, mergedWeights, mergeInPlace } from './method/merge.js';
export type {
  Capabilities,
  HostValues,
  MergeHost,
  MergeResult,
  Method,
  PatchableSite,
  PatchedModel,
  Patcher,
} from './method/method.js';
export { apiVersion } from './method/method.js';
export type { PeftFields } from './method/peft-config.js';
export { readPeftConfig } from './method/peft-config.js';
export type { RunLength, Stage, StageEntry, StageHost, StageState } from './method/stage.js';
export { accuracy, f1, largestAt, macroF1, matthews, microF1 } from './metrics/class-metrics.js';
export { pearson, spearman } from './metrics/rank-metrics.js';
export type { RetrievalOptions, RetrievalScores } from './metrics/retrieval-metrics.js';
export { cosineSimilarity, retrievalScores, unitVector } from './metrics/retrieval-metrics.js';
export type { Span } from './metrics/span-metrics.js';
export { spanScores, spansOf } from './metrics/span-metrics.js';
export { squadScores } from './metrics/squad-metrics.js';
export { bleu, exactMatch, rougeL } from './metrics/text-metrics.js';
export type { ActiveAdapters, AdapterMethods, AdapterStack } from './model/adapters.js';
export type {
  AttentionOptions,
  EmbeddingOptions,
  LinearOptions,
  ModelBuilder,
  NormOptions,
  SiteFunction,
  SourceKeys,
  StreamOptions,
} from './model/builder.js';
export { currentSite } from './model/current-site.js';
export type { Derived } from './model/derived.js';
export type {
  AdapterModules,
  BlockList,
  ExpertOptions,
  Family,
  ModelShape,
  SourceColumns,
  StackedModules,
  Task,
  TaskHead,
  TaskModel,
  TokenColumns,
} from './model/family.js';
export type { GgufContents, GgufLayout } from './model/gguf-layout.js';
export type { Handed } from './model/handed.js';
export { collectValues } from './model/handed.js';
export type { LoadWeightsOptions, WeightDtype } from './model/load-weights.js';
export { loadWeights, originalWeights } from './model/load-weights.js';
export type { MethodHooks, Model, ModelOptions, ModelRun, ModelUnderStack } from './model/model.js';
export { buildModel } from './model/model.js';
export { presentTokens } from './model/present-tokens.js';
export type { Quantization } from './model/quantization.js';
export { isQuantized } from './model/quantization.js';
export type { QuantizationSettings } from './model/quantization-settings.js';
export { quantizationOf, quantizationSchema } from './model/quantization-settings.js';
export type { Replace, Replaced, Replacement } from './model/replaced.js';
export type { Selector } from './model/selector.js';
export { matchesName } from './model/selector.js';
export type {
  AnySite,
  AttentionCall,
  AttentionSite,
  EmbeddingSite,
  LinearSite,
  MethodScope,
  Middleware,
  NormSite,
  ResidualCall,
  ResidualSite,
  SiteBase,
  SiteCalls,
  SiteKind,
  SiteOf,
  SiteRole,
  Slice,
  Stream,
  StreamSite,
} from './model/site.js';
export { bareName, checkpointNames } from './model/task-head.js';
export type { AttentionCache, Trace, TraceOptions, TraceWithObservations } from './model/trace.js';
export { createTrace } from './model/trace.js';
export { bucketLength } from './objective/buckets.js';
export type { ClassificationOptions } from './objective/classification.js';
export { classification, classificationLoss } from './objective/classification.js';
export { contrastive } from './objective/contrastive/contrastive.js';
export type { ContrastiveConfig, Pooling } from './objective/contrastive/contrastive-config.js';
export { contrastiveConfigSchema, poolingModes } from './objective/contrastive/contrastive-config.js';
export { defaultPooling } from './objective/contrastive/embed-texts.js';
export type { ObjectiveDefinition, ObjectiveFactory, RowKind } from './objective/define-objective.js';
export { defineObjective } from './objective/define-objective.js';
export type { MaskedLmOptions } from './objective/masked-lm.js';
export { maskedLm } from './objective/masked-lm.js';
export type {
  Batch,
  CollateOptions,
  LossTerm,
  Objective,
  OwnLabels,
  PassageOptions,
  Predictions,
  Prior,
  Probe,
} from './objective/objective.js';
export type { Passage } from './objective/passage.js';
export type { ProblemType } from './objective/problem-type.js';
export type { FoundAnswer, FoundAnswers, PredictedPart } from './objective/question-answering/best-answers.js';
export { bestAnswers } from './objective/question-answering/best-answers.js';
export { passagesOf } from './objective/question-answering/measure-answers.js';
export { questionAnswering } from './objective/question-answering/question-answering.js';
export type { QuestionAnsweringConfig } from './objective/question-answering/question-answering-config.js';
export { questionAnsweringConfigSchema } from './objective/question-answering/question-answering-config.js';
export type { Answer, Judge, Learnt, RolloutSampling, Rollouts, RowValues } from './objective/rollouts.js';
export type { Row } from './objective/row.js';
export { seq2seq } from './objective/seq2seq.js';
export { sft } from './objective/sft.js';
export type { Target, TargetColumns } from './objective/target-columns.js';
export { targetColumns, weightedTargets } from './objective/target-columns.js';
export type { TokenClassificationOptions } from './objective/token-classification.js';
export { tagScores, tokenClassification } from './objective/token-classification.js';
export type { CollatedTokens } from './objective/token-columns.js';
export { collateTokens, tokenColumns } from './objective/token-columns.js';
export { addVirtualTokens, collateRows } from './objective/virtual-tokens.js';
export type { AdamWOptions } from './optimizer/adamw.js';
export { adamw } from './optimizer/adamw.js';
export { clipByGlobalNorm, globalNorm, observeGlobalNorm } from './optimizer/clip-by-global-norm.js';
export { eightBitState } from './optimizer/eight-bit-state.js';
export type { ParameterGroup } from './optimizer/groups.js';
export { sgd } from './optimizer/sgd.js';
export type {
  GradientTransformation,
  Leaf,
  ParameterState,
  UpdateContext,
  UpdateResult,
} from './optimizer/transformation.js';
export { chain, parameterState } from './optimizer/transformation.js';
export type { Handle, HostArray, IndexSpec, InitContext, Initializer, ParameterSpec } from './parameters/handle.js';
export { elementCount } from './parameters/handle.js';
export { constant, kaimingUniform, normal, uniform, zeros } from './parameters/initializers.js';
export type { ParameterStore } from './parameters/parameter-store.js';
export { createParameterStore, initialiseHandles } from './parameters/parameter-store.js';
export type { AdapterPart, AdapterPool, AdapterPoolOptions } from './pool/adapter-pool.js';
export { createAdapterPool } from './pool/adapter-pool.js';
export type {
  Backend,
  Executable,
  HostTensor,
  ProgramEstimate,
  RunOptions,
  StoredSpec,
  TensorStore,
} from './program/backend.js';
export type { Program, ProgramIO, ProgramResult, TensorSpec } from './program/program.js';
export { validateInputs } from './program/validate-inputs.js';
export type { Random } from './random/draws.js';
export { createRandom } from './random/draws.js';
export type { RandomContext } from './random/keep-mask.js';
export { fillKeepMask } from './random/keep-mask.js';
export type { RandomKey } from './random/mixer.js';
export { randomBits, randomKey, randomNormal, randomUniform } from './random/mixer.js';
export type { NoiseScope } from './random/uniform-noise.js';
export { fillUniform } from './random/uniform-noise.js';
export type { Schedule, Warmup } from './schedule/schedule.js';
export {
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  slantedTriangularSchedule,
} from './schedule/schedule.js';
export { dynamicMap } from './storage/dynamic-map.js';
export {
  decodeWeight,
  type EncodedMatrix,
  type Encoding,
  encodedBytes,
  encodeWeight,
} from './storage/encoded-matrix.js';
export { bytesPerElement, fromFloat32, isStoredDtype, toFloat32 } from './storage/float-codecs.js';
export type { FourBitBlocks, NestedScales } from './storage/four-bit-blocks.js';
export { decodeFourBit, encodeFourBit, expandScales, nestScales } from './storage/four-bit-blocks.js';
export type { FourBitOptions } from './storage/four-bit-codec.js';
export { fourBit, fourBitBlockSizes } from './storage/four-bit-codec.js';
export type { FourBitType } from './storage/four-bit-tables.js';
export { fourBitValues } from './storage/four-bit-tables.js';
export type { Int8Options } from './storage/int8-codec.js';
export { int8 } from './storage/int8-codec.js';
export type { Int8Rows } from './storage/int8-rows.js';
export { decodeInt8, encodeInt8 } from './storage/int8-rows.js';
export type { Json } from './storage/json.js';
export type { LinearBlocks } from './storage/linear-blocks.js';
export { decodeLinearBlocks, encodeLinearBlocks } from './storage/linear-blocks.js';
export type { LinearBlockOptions } from './storage/linear-blocks-codec.js';
export { linearBlockCodec } from './storage/linear-blocks-codec.js';
export { memoryTensor, readFloat32, readHostArray } from './storage/memory-tensor.js';
export type { StoredCodes, StoredDtype, StoredTensor, TensorSource } from './storage/stored-tensor.js';
export type { MatrixShape, PartSpec, WeightCodec } from './storage/weight-codec.js';
export { keepAlike } from './storage/weight-codec.js';
export { geGlu, gelu, geluTanh, silu, swiGlu } from './tensor/activations.js';
export type { AttentionAttributes, AttentionInputs } from './tensor/attention.js';
export { attention } from './tensor/attention.js';
export { attentionMask, treeMask } from './tensor/attention-mask.js';
export { checkpoint } from './tensor/checkpoint.js';
export type { InputGradients, Op, OpDefinition } from './tensor/define-op.js';
export { defineOp } from './tensor/define-op.js';
export { distanceBias, ownDistances } from './tensor/distance-bias.js';
export type { FourBitLayout, FourBitTensors } from './tensor/four-bit.js';
export { dequantize4Bit, linear4Bit } from './tensor/four-bit.js';
export { holdBack } from './tensor/hold-back.js';
export type { Int8Layout, Int8Tensors } from './tensor/int8.js';
export { dequantizeInt8, leastRowMagnitude, linearInt8 } from './tensor/int8.js';
export { layerNorm } from './tensor/layer-norm.js';
export { linear } from './tensor/linear.js';
export type { LinearBlockLayout, LinearBlockTensors, LinearBlockType } from './tensor/linear-blocks.js';
export { dequantizeLinearBlocks, linearBlockForms, linearBlockSize, linearBlocks } from './tensor/linear-blocks.js';
export { linearCrossEntropy, logProbabilities, weightedLinearCrossEntropy } from './tensor/linear-cross-entropy.js';
export { completeGradients } from './tensor/missing-gradients.js';
export type { RowSums } from './tensor/move-rows.js';
export { moveRows } from './tensor/move-rows.js';
export { refuseMissingKernels } from './tensor/refuse-missing-kernels.js';
export { reverseGradient } from './tensor/reverse-gradient.js';
export { rmsNorm } from './tensor/rms-norm.js';
export { rotary, rotaryTable } from './tensor/rotary.js';
export { scatterAdd } from './tensor/scatter-add.js';
export { stopGradient } from './tensor/stop-gradient.js';
export type { Dtype, Named, Shape, Tensor } from './tensor/tfjs.js';
export { tf } from './tensor/tfjs.js';
export type { DivergenceLimit } from './trainer/divergence.js';
export type { EarlyStopping } from './trainer/early-stopping.js';
export type { EvaluateOptions, Evaluation } from './trainer/evaluate.js';
export { evaluate } from './trainer/evaluate.js';
export type { ExecutableCache } from './trainer/executable-cache.js';
export { createExecutableCache } from './trainer/executable-cache.js';
export type {
  CheckpointStore,
  EvaluateEvent,
  MetricsSink,
  RowSource,
  SavedArray,
  StepEvent,
  TrainerCheckpoint,
  TrainerEvent,
} from './trainer/ports.js';
export { computePriors, predict } from './trainer/predict.js';
export type { RolloutSource, RolloutSourceOptions } from './trainer/rollout-source.js';
export { createRolloutSource } from './trainer/rollout-source.js';
export type { EvaluationOptions, Trainer, TrainerOptions } from './trainer/trainer.js';
export { createTrainer } from './trainer/trainer.js';
