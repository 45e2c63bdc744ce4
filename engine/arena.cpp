#include "engine/arena.h"

#include <algorithm>

#include "kernels/elementwise.h"

namespace basin {
namespace {

constexpr int64_t kGap = 16;  // elements: a cache line of float32, half of one of float64's two

}  // namespace

void Layout::append(LayoutEntry entry) {
  BASIN_CHECK(find(entry.name) == nullptr, "layout", "found '{}' twice", entry.name);
  entry.offset = size_;
  entry.size = entry.shape.size();
  size_ = round_up(size_ + entry.size, kGap);
  entries_.push_back(std::move(entry));
}

void Layout::add(const std::string& name, Role role, const Shape& shape) {
  LayoutEntry entry{name, role, {}, shape, 1, shape.size(), 1, 0, 0};
  for (int i = 0; i < shape.rank(); ++i) entry.logical.push_back(shape[i]);
  append(std::move(entry));
}

void Layout::add_conv(const std::string& name, int64_t out, int64_t in, int64_t kernel) {
  append({name,
          Role::Weight,
          {out, in, kernel, kernel},
          Shape{out, kernel, kernel, in},
          out,
          in,
          kernel * kernel,
          0,
          0});
}

void Layout::add_linear(const std::string& name, int64_t out, int64_t channels, int64_t positions) {
  append({name,
          Role::Weight,
          {out, channels * positions},
          Shape{out, channels * positions},
          out,
          channels,
          positions,
          0,
          0});
}

Layout Layout::without(std::span<const std::string> names) const {
  Layout rest;
  for (const LayoutEntry& entry : entries_) {
    if (std::find(names.begin(), names.end(), entry.name) == names.end()) rest.append(entry);
  }
  return rest;
}

const LayoutEntry* Layout::find(const std::string& name) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const LayoutEntry& e) { return e.name == name; });
  return it == entries_.end() ? nullptr : &*it;
}

const LayoutEntry& Layout::at(const std::string& name) const {
  const LayoutEntry* entry = find(name);
  BASIN_CHECK(entry != nullptr, "layout", "found no tensor '{}' among {} (first: '{}')", name,
              entries_.size(), entries_.empty() ? "" : entries_.front().name);
  return *entry;
}

int64_t Layout::count() const {
  int64_t n = 0;
  for (const LayoutEntry& entry : entries_) n += entry.size;
  return n;
}

Arena::Arena(const Stream& stream, LayoutPtr layout, DType dtype, int64_t groups)
    : layout_(std::move(layout)),
      dtype_(dtype),
      groups_(groups),
      buffer_(stream, groups * layout_->size() * dtype_size(dtype)) {
  zero(stream, buffer_.data(), buffer_.bytes());
}

Tensor Arena::view(const LayoutEntry& entry, int64_t group) const {
  return {data(group) + entry.offset * dtype_size(dtype_), entry.shape, dtype_, device()};
}

Tensor Arena::view(const std::string& name) const {
  return view(layout_->at(name));
}

void Arena::copy_from(const Stream& stream, const Arena& other) {
  BASIN_CHECK(layout_ == other.layout_ && dtype_ == other.dtype_ && groups_ == other.groups_ &&
                  device() == other.device(),
              "[copy] arena", "found another layout, type or device than the destination's");
  dispatch(dtype_, [&]<class T>(T) {
    map<T, Copy<T>>(stream, {}, groups_ * size(), {other.as<T>()}, {as<T>()});
  });
}

void Arena::gather(const Stream& stream, const Arena& all) {
  const auto& entries = layout_->entries();
  dispatch(dtype_, [&]<class T>(T) {
    for (size_t k = 0; k < entries.size();) {  // neighbours in both at once
      const LayoutEntry& first = entries[k];
      const int64_t from = all.layout_->at(first.name).offset, shift = from - first.offset;
      int64_t end = first.offset;
      for (; k < entries.size(); ++k) {
        const LayoutEntry& entry = entries[k];
        if (all.layout_->at(entry.name).offset - entry.offset != shift) break;
        end = entry.offset + entry.size;
      }
      map<T>(stream, Copy<T>{}, end - first.offset, {all.as<T>() + from}, {as<T>() + first.offset});
    }
  });
}

std::vector<double> Arena::read(const Stream& stream, const LayoutEntry& entry,
                                int64_t group) const {
  std::vector<double> values(static_cast<size_t>(entry.size));
  dispatch(dtype_, [&]<class T>(T) {
    std::vector<T> stored(values.size());
    copy_to_host(stream, stored.data(), view(entry, group).data, entry.size * int64_t{sizeof(T)});
    for (int64_t i = 0; i < entry.size; ++i) values[i] = stored[entry.stored_index(i)];
  });
  return values;
}

void Arena::write(const Stream& stream, const LayoutEntry& entry, std::span<const double> values) {
  BASIN_CHECK(static_cast<int64_t>(values.size()) == entry.size, "[write] " + entry.name,
              "found {} values, expected {}", values.size(), entry.size);
  dispatch(dtype_, [&]<class T>(T) {
    std::vector<T> stored(values.size());
    for (int64_t i = 0; i < entry.size; ++i) {
      stored[entry.stored_index(i)] = static_cast<T>(values[i]);
    }
    copy_to_device(stream, view(entry).data, stored.data(), entry.size * int64_t{sizeof(T)});
  });
}

}  // namespace basin
