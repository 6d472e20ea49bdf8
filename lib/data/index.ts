// The public parts of the data folder: from files on disk to batches on the host.
// Invariant: nothing here knows tensors or devices.

export * from './augmentation.js';
export { CIFAR10_CLASS_NAMES, readCifar10, type Cifar10Options } from './cifar10.js';
export type { ColourStatistics, Triple } from './colour.js';
export { DecodePool, type DecodePoolOptions } from './decode-pool.js';
export { decodeFile, decodeImage, DEFAULT_MAX_PIXELS, type DecodeOptions } from './decode.js';
export { ImageFolderDataset, type ImageFolderDatasetOptions } from './image-folder-dataset.js';
export {
  PictureCache,
  pictureCacheFolder,
  userCacheFolder,
  type PictureCacheOptions,
} from './picture-cache.js';
export { scanClasses, scanImageFolder, type ImageFolder } from './image-folder.js';
export { InMemoryDataset, type InMemoryDatasetOptions } from './in-memory-dataset.js';
export { splitDataset, type LabelledFiles, type SplitOptions } from './labelled-files.js';
export { batchesPerEpoch, loadBatches, type LoadedBatch, type LoaderOptions } from './loader.js';
export { computeMean, type MeanOptions } from './mean.js';
export { DEFAULT_SIDE, MOST_PROPORTION, resizeToSquare, type Framing } from './resize.js';
export { pngSheet } from './sheet.js';
export type { Paths } from './path-list.js';
export { PICTURE_EXTENSIONS } from './scan-folder.js';
export { decoderInfo, type Decoder, type DecoderInfo, type DecoderStatus } from './codecs/index.js';
export type { Sampler } from './sampler.js';
export { scaleDataset } from './scaled-dataset.js';
export {
  openSource,
  recogniseSource,
  type DatasetSource,
  type FilesSource,
  type SourceFormat,
  type SourceOptions,
  type StoreSource,
} from './source.js';
export { limitPerClass, subsetDataset, type LimitOptions } from './subset.js';
export { collectDataset, type CollectOptions, type LabelledImage } from './collect.js';
export { readIdx, readMnist, type IdxOptions } from './idx.js';
export { scanImageNet, type ImageNetFolder, type ImageNetOptions } from './imagenet.js';
export { readLabelsFile, type LabelsFileOptions } from './labels-file.js';
export { ImageStore, isStore, StoreDataset } from './store/image-store.js';
export type { StoreSplit } from './store/manifest.js';
export {
  prepareStore,
  type PreparedStore,
  type PrepareOptions,
  type PrepareProgress,
  type StoreFailure,
} from './store/prepare.js';
export type { DatasetMean, ImageBatch, ImageDataset, PictureSizes, RgbImage } from './types.js';
