#include "engine/shape.h"

#include <fmt/format.h>

namespace basin {

std::string Shape::text() const {
  return fmt::format("[{}]", fmt::join(dims_.begin(), dims_.begin() + rank_, ","));
}

}  // namespace basin

fmt::format_context::iterator fmt::formatter<basin::Shape>::format(
    const basin::Shape& shape, fmt::format_context& context) const {
  return fmt::formatter<std::string>::format(shape.text(), context);
}
