// The Python face of the engine, through nanobind. The interpreter's lock is free while worlds run.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <stdexcept>

#include "engine.hpp"

namespace nb = nanobind;
using walker::Body;
using walker::Course;
using walker::Worlds;

namespace {

template <class T, std::size_t... Shape>
using Array = nb::ndarray<T, nb::shape<static_cast<nb::ssize_t>(Shape)...>, nb::c_contig, nb::device::cpu>;
template <class T>
using Row = nb::ndarray<T, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
template <class T, int Columns>
using Table = nb::ndarray<T, nb::shape<-1, Columns>, nb::c_contig, nb::device::cpu>;
using Boxes = nb::ndarray<const double, nb::shape<-1, 4, 2>, nb::c_contig, nb::device::cpu>;

constexpr int kParameters = 2804;

template <class T>
nb::ndarray<nb::numpy, T> give(std::size_t n, T* data) {
    nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return nb::ndarray<nb::numpy, T>(data, {n}, owner);
}

nb::tuple rollout(const std::vector<std::shared_ptr<const Course>>& courses, Row<const std::int32_t> places,
                  Table<const float, kParameters> thetas, Row<const double> pushes, int limit,
                  const std::string& kernel, int threads, bool published_lidar) {
    const std::size_t n = thetas.shape(0);
    if (pushes.shape(0) != n || places.shape(0) != n) {
        throw std::invalid_argument("places, thetas and pushes differ in length");
    }
    std::vector<walker::CourseView> views;
    for (const auto& course : courses) {
        if (!course) throw std::invalid_argument("a course is None");
        views.push_back(walker::view(*course));
    }
    for (std::size_t row = 0; row < n; ++row) {
        if (places.data()[row] < 0 || static_cast<std::size_t>(places.data()[row]) >= views.size()) {
            throw std::invalid_argument("an episode is on a course that is not there");
        }
    }
    if (limit < 1) throw std::invalid_argument("episode_limit is below 1");
    const walker::Kernel& chosen = walker::find_kernel(kernel);
    auto* returns = new double[n];
    auto* lengths = new std::int32_t[n];
    auto* outcomes = new std::int8_t[n];
    nb::tuple arrays = nb::make_tuple(give(n, returns), give(n, lengths), give(n, outcomes));
    const walker::Episodes episodes{views,           places.data(), thetas.data(), pushes.data(), n, limit,
                                    published_lidar, returns,       lengths,       outcomes};
    walker::StageTimes times;
    {
        nb::gil_scoped_release free;
        times = walker::rollout(chosen, episodes, threads);
    }
    nb::dict stages;
    stages["controller"] = times.controller;
    stages["collision"] = times.collision;
    stages["solver"] = times.solver;
    stages["broadphase"] = times.broadphase;
    stages["continuous"] = times.continuous;
    stages["lidar"] = times.lidar;
    stages["other"] = times.other;
    return nb::make_tuple(arrays[0], arrays[1], arrays[2], stages);
}

void step(Worlds& worlds, Table<const float, walker::kActions> actions, Row<const bool> resets,
          Row<const double> pushes, Table<float, walker::kObservations> observations, Row<double> rewards,
          Row<std::int8_t> outcomes) {
    const std::size_t n = worlds.count();
    if (actions.shape(0) != n || resets.shape(0) != n || pushes.shape(0) != n || observations.shape(0) != n ||
        rewards.shape(0) != n || outcomes.shape(0) != n) {
        throw std::invalid_argument("an array does not have a row for each world");
    }
    nb::gil_scoped_release free;
    worlds.step(actions.data(), resets.data(), pushes.data(), observations.data(), rewards.data(), outcomes.data());
}

void reset(Worlds& worlds, Row<const bool> chosen, Row<const double> pushes,
           Table<float, walker::kObservations> observations) {
    const std::size_t n = worlds.count();
    if (chosen.shape(0) != n || pushes.shape(0) != n || observations.shape(0) != n) {
        throw std::invalid_argument("an array does not have a row for each world");
    }
    nb::gil_scoped_release free;
    worlds.reset(chosen.data(), pushes.data(), observations.data());
}

nb::bytes get_state(Worlds& worlds, std::size_t world) {
    auto state = std::make_unique<walker::WorldState>();
    std::memset(static_cast<void*>(state.get()), 0, sizeof *state);
    worlds.get_state(world, *state);
    const std::span<walker::TreeNode> tree = worlds.tree_of(world);
    std::string bytes(reinterpret_cast<const char*>(state.get()), sizeof *state);
    bytes.append(reinterpret_cast<const char*>(tree.data()), tree.size_bytes());
    return nb::bytes(bytes.data(), bytes.size());
}

void set_state(Worlds& worlds, std::size_t world, const nb::bytes& bytes) {
    auto state = std::make_unique<walker::WorldState>();
    const std::span<walker::TreeNode> tree = worlds.tree_of(world);
    if (bytes.size() != sizeof *state + tree.size_bytes()) throw std::invalid_argument("the state has the wrong size");
    std::memcpy(static_cast<void*>(state.get()), bytes.data(), sizeof *state);
    if (state->contacts < 0 || state->contacts > walker::kMaxContacts) {
        throw std::invalid_argument("the state holds more contacts than a world may have");
    }
    worlds.set_state(world, *state);
    if (!tree.empty()) std::memcpy(tree.data(), bytes.c_str() + sizeof *state, tree.size_bytes());
}

nb::tuple functions(Row<const float> x, const std::string& kernel) {
    const std::size_t n = x.shape(0);
    auto *sine = new float[n], *cosine = new float[n], *tanh = new float[n];
    nb::tuple result = nb::make_tuple(give(n, sine), give(n, cosine), give(n, tanh));
    walker::find_kernel(kernel).functions(x.data(), sine, cosine, tanh, n);
    return result;
}

nb::bytes bytes_of(const void* data, std::size_t size) { return nb::bytes(static_cast<const char*>(data), size); }

// What a kernel on a GPU reads of a course: shapes, starts, items, tree and model as bytes, then origin and inverse cell.
// The ordinary walker's model, which nearly all share, is left out.
nb::tuple parts(const Course& course) {
    const auto shapes = static_cast<std::size_t>(course.size()), cells = static_cast<std::size_t>(course.cells());
    const std::size_t items = static_cast<std::size_t>(course.starts()[cells]);
    const bool ordinary = &course.model() == &walker::walker_model();
    return nb::make_tuple(bytes_of(course.shapes(), shapes * sizeof(walker::Shape)),
                          bytes_of(course.starts(), (cells + 1) * sizeof(std::int32_t)),
                          bytes_of(course.items(), items * sizeof(std::int32_t)),
                          bytes_of(course.tree(), course.nodes() * sizeof(walker::TreeNode)),
                          bytes_of(&course.model(), ordinary ? 0 : sizeof(walker::WalkerModel)), course.origin(),
                          course.inverse_cell());
}

std::vector<std::tuple<float, float, float, float, float>> segments(const walker::WalkerModel& model) {
    std::vector<std::tuple<float, float, float, float, float>> list;
    for (const walker::Segment& s : model.segment) {
        list.emplace_back(s.inverse_mass, s.inverse_inertia, s.local_center.x, s.local_center.y, s.friction);
    }
    return list;
}

std::vector<std::tuple<std::string, int, bool>> kernels() {
    std::vector<std::tuple<std::string, int, bool>> list;
    for (const walker::Kernel* kernel : walker::kernels()) {
        list.emplace_back(kernel->name, kernel->lanes, kernel->supported());
    }
    return list;
}

}  // namespace

NB_MODULE(_core, m) {
    m.doc() = "Native worlds of the 2D walker; use environments.walker2d.native.";
    nb::class_<Body>(m, "Body")
        .def("__init__",
             [](Body* self, const std::tuple<double, double, double, double>& motors, int delay, bool lidar,
                double gravity, double friction, double load, double legs) {
                 const auto [hip1, knee1, hip2, knee2] = motors;
                 new (self) Body({{hip1, knee1, hip2, knee2}, delay, lidar, gravity, friction, load, legs});
             },
             nb::arg("motors"), nb::arg("delay"), nb::arg("lidar"), nb::arg("gravity"), nb::arg("friction"),
             nb::arg("load"), nb::arg("legs"))
        .def("segments", [](const Body& body) { return segments(body.model()); });
    nb::class_<Course>(m, "Course")
        .def("__init__",
             [](Course* self, Table<const double, 2> ground, Boxes boxes, std::shared_ptr<Body> body) {
                 new (self) Course(ground.data(), static_cast<int>(ground.shape(0)), boxes.data(),
                                   static_cast<int>(boxes.shape(0)), std::move(body));
             },
             nb::arg("ground"), nb::arg("boxes"), nb::arg("body") = nb::none())
        .def("shape_corners",
             [](const Course& course, int i) {
                 if (i < 0 || i >= course.size()) throw std::out_of_range("no such shape");
                 std::vector<std::tuple<float, float>> corners;
                 for (int k = 0; k < course.shapes()[i].corners; ++k) {
                     corners.emplace_back(course.shapes()[i].vertex[k].x, course.shapes()[i].vertex[k].y);
                 }
                 return corners;
             })
        .def("parts", &parts)
        .def("__len__", &Course::size);
    m.def("rollout", &rollout, nb::arg("courses"), nb::arg("places"), nb::arg("thetas"), nb::arg("pushes"),
          nb::arg("episode_limit"), nb::arg("kernel") = "", nb::arg("threads") = 1, nb::arg("published_lidar") = false);
    m.def("functions", &functions, nb::arg("x"), nb::arg("kernel") = "");
    m.def("kernels", &kernels);
    m.def("model", [] { return bytes_of(&walker::walker_model(), sizeof(walker::WalkerModel)); });
    m.def("segments", [] { return segments(walker::walker_model()); });
    nb::class_<Worlds>(m, "Worlds")
        .def("__init__",
             [](Worlds* self, std::size_t count, const std::string& kernel, bool published_lidar, int threads) {
                 new (self) Worlds(walker::find_kernel(kernel), count, published_lidar, threads);
             },
             nb::arg("count"), nb::arg("kernel") = "", nb::arg("published_lidar") = false, nb::arg("threads") = 1)
        .def("__len__", &Worlds::count)
        .def("set_course", &Worlds::set_course)
        .def("reset", &reset)
        .def("step", &step)
        .def("get_state", &get_state)
        .def("set_state", &set_state);
}
