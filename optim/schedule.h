// Learning-rate schedules of understanding-sam (utils_train.py): a function of the fractional
// epoch t in (0, epochs]. At the boundary itself the lower rate holds.
#pragma once

#include <string>
#include <vector>

namespace basin {

const std::vector<std::string>& schedule_names();
// lr at fractional epoch t of `epochs`. Unknown names are an Error(Usage).
//   constant; piecewise: 1, 1/10 from 0.5, 1/100 from 0.75; piecewise_02epochs, _03epochs,
//   _04epochs: first drop at 0.2, 0.3, 0.4; cosine: (1 + cos(pi t / E)) / 2; cyclic: linear from 0
//   to 1 over [0, floor(2 E / 5)], then linear to 0 at E.
double learning_rate(const std::string& schedule, double lr, double t, double epochs);

}  // namespace basin
