// A body for each of several groups in one grid: what it does is left as it is, and each group has
// blocks of its own, and operands a step behind the group before.
#pragma once

#include <cstdint>

#include "kernels/block.h"

namespace basin {

// An array of group 0, and the elements from there to the next group's.
template <class T>
struct GroupsArray {
  T* first;
  int64_t step;
  BASIN_HD T* of_group(int64_t group) const { return first + group * step; }
};

// What a group's body is given for an operand: its own array, or what all groups share.
template <class Operand>
concept HasGroups = requires(const Operand& operand) {
  operand.of_group(0);
};
template <class Operand>
BASIN_HD auto operand_of(const Operand& operand, int64_t group) {
  if constexpr (HasGroups<Operand>) {
    return operand.of_group(group);
  } else {
    return operand;
  }
}

// A block as one of its group's.
template <class Block>
struct BlockOfGroup : Block {
  int64_t rank, blocks;
  BASIN_DEVICE BlockOfGroup(const Block& block, int64_t of_rank, int64_t of_blocks)
      : Block(block), rank(of_rank), blocks(of_blocks) {}
  BASIN_DEVICE int64_t block_rank() const { return rank; }
  BASIN_DEVICE int64_t num_blocks() const { return blocks; }
};

// `blocks` blocks a group, one group's behind the other's.
// Narrow accesses: those of the body.
template <class Body>
struct GroupsOf : Body {
  template <class Block, class... Operands>
  BASIN_DEVICE void operator()(Block& block, typename Body::Shared& shared, int blocks,
                               Operands... operands) const {
    const int rank = static_cast<int>(block.block_rank()), group = rank / blocks;
    BlockOfGroup<Block> own(block, rank - group * blocks, blocks);
    Body::operator()(own, shared, operand_of(operands, group)...);
  }
};

}  // namespace basin
