// Pre-activation ResNets for 32x32 images (He et al. 2016, as in understanding-sam, models.py):
// conv3x3, four stages of blocks, norm-ReLU, global average pool, linear. All convolutions are
// free of bias. A block: norm-ReLU-conv3x3(stride)-norm-ReLU-conv3x3, plus a shortcut: a strided
// 1x1 convolution of the activated input where the shape changes, else the block's raw input.
#pragma once

#include <array>

#include "models/model.h"

namespace basin {

// blocks: in each stage. groups_of_width: group norm with width / 2 groups in every layer.
enum class ResNetNorm { Batch, Group };
Model make_preact_resnet(const ModelOptions& options, const std::array<int, 4>& blocks,
                         ResNetNorm norm);

}  // namespace basin
