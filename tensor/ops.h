#pragma once
// Every differentiable operation.

#include "tensor/ops/arithmetic.h"
#include "tensor/ops/attention.h"
#include "tensor/ops/dropout.h"
#include "tensor/ops/layer_norm.h"
#include "tensor/ops/linear.h"
#include "tensor/ops/losses.h"
#include "tensor/ops/patch_embed.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/shape.h"
